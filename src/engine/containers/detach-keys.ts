import { Transform, type TransformCallback } from 'node:stream';
import { GantryError } from '../../api/errors.ts';

const CTRL: Record<string, number> = { '@': 0, '[': 27, '\\': 28, ']': 29, '^': 30, _: 31 };

/** ctrl-p ctrl-q. */
export const DEFAULT_DETACH_KEYS = Buffer.from([16, 17]);

/**
 * Bytes of a detach sequence as the API writes it: comma-separated single characters or ctrl-<value>, value one of a-z @ [ \ ] ^ _.
 * '' gives the default. Throws invalid_parameter.
 */
export function parseDetachKeys(text: string): Buffer {
  if (text === '') return DEFAULT_DETACH_KEYS;
  const bytes = text.split(',').map((key) => {
    if (key.length === 1 && key.charCodeAt(0) < 128) return key.charCodeAt(0);
    const value = /^ctrl-(.)$/.exec(key)?.[1];
    const code = value === undefined ? undefined : /[a-z]/.test(value) ? value.charCodeAt(0) - 96 : CTRL[value];
    if (code === undefined) {
      throw new GantryError('invalid_parameter', `invalid detach keys (${text}): Unknown character: '${key}'`);
    }
    return code;
  });
  return Buffer.from(bytes);
}

/**
 * Passes a terminal's input on and ends at the detach sequence, calling `onDetach`. Keys of a begun sequence are held back until
 * they turn out not to be one, so that the process never sees part of it.
 */
export class DetachFilter extends Transform {
  readonly #keys: Buffer;
  readonly #onDetach: () => void;
  #matched = 0;
  #detached = false;

  constructor(keys: Buffer, onDetach: () => void) {
    super();
    this.#keys = keys;
    this.#onDetach = onDetach;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    if (this.#detached) {
      done();
      return;
    }
    const out: number[] = [];
    for (const byte of chunk) {
      if (byte !== this.#keys[this.#matched] && this.#matched > 0) {
        // The longest tail of what was held back that can still begin the sequence stays held back.
        const held = [...this.#keys.subarray(0, this.#matched), byte];
        let keep = this.#matched;
        while (keep > 0 && !this.#begins(held.slice(held.length - keep))) keep--;
        out.push(...held.slice(0, held.length - keep));
        this.#matched = keep;
        continue;
      }
      if (byte !== this.#keys[this.#matched]) {
        out.push(byte);
        continue;
      }
      this.#matched++;
      if (this.#matched === this.#keys.length) {
        this.#detached = true;
        if (out.length > 0) this.push(Buffer.from(out));
        this.#onDetach();
        done();
        return;
      }
    }
    done(null, out.length > 0 ? Buffer.from(out) : undefined);
  }

  override _flush(done: TransformCallback): void {
    done(null, this.#detached || this.#matched === 0 ? undefined : this.#keys.subarray(0, this.#matched));
  }

  #begins(bytes: number[]): boolean {
    return bytes.every((byte, index) => byte === this.#keys[index]);
  }
}
