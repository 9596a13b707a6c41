/** The key sequence that detaches from a terminal: "ctrl-p,ctrl-q" unless told otherwise. */

export const DEFAULT_DETACH_KEYS: readonly number[] = [16, 17];

/** The bytes of "ctrl-p,ctrl-q" or "a,b,ctrl-[". Throws on a word that is no key. */
export function parseDetachKeys(text: string): number[] {
  return text.split(',').map((key) => {
    if (key.length === 1) return key.charCodeAt(0);
    const match = /^ctrl-([a-z@[\\\]^_])$/.exec(key.toLowerCase());
    if (!match) throw new Error(`Unknown character: '${key}'`);
    return match[1]!.toUpperCase().charCodeAt(0) & 0x1f;
  });
}

/** Looks for the sequence in what is typed; bytes that may be its start are held back until the next ones decide. */
export class DetachScanner {
  readonly #keys: readonly number[];
  #matched = 0;

  constructor(keys: readonly number[]) {
    this.#keys = keys;
  }

  /** What is to be passed on, and whether the sequence was complete (the rest of the chunk is dropped then). */
  scan(chunk: Uint8Array): { pass: Uint8Array; detached: boolean } {
    if (this.#keys.length === 0) return { pass: chunk, detached: false };
    const pass: number[] = [];
    for (const byte of chunk) {
      if (byte !== this.#keys[this.#matched]) {
        for (let index = 0; index < this.#matched; index++) pass.push(this.#keys[index]!);
        this.#matched = 0;
      }
      if (byte === this.#keys[this.#matched]) {
        this.#matched++;
        if (this.#matched === this.#keys.length) return { pass: Uint8Array.from(pass), detached: true };
      } else {
        pass.push(byte);
      }
    }
    return { pass: Uint8Array.from(pass), detached: false };
  }
}
