/**
 * Docker's multiplexed stream (Engine API, "Stream format" of ContainerAttach): frames of an 8-byte header, first byte
 * 0 to 3 for stdin, stdout, stderr and system error, the last four the payload's length (big endian).
 */
export class Demultiplexer {
  #header = Buffer.alloc(8);
  #have = 0;
  #left = 0;
  #kind = 0;
  readonly #stdout: (chunk: Buffer) => void;
  readonly #stderr: (chunk: Buffer) => void;

  constructor(stdout: (chunk: Buffer) => void, stderr: (chunk: Buffer) => void) {
    this.#stdout = stdout;
    this.#stderr = stderr;
  }

  /** Takes the next bytes and passes payloads on as they come. Throws on a header that is none, and on the engine's error frame. */
  push(chunk: Buffer): void {
    let offset = 0;
    while (offset < chunk.length) {
      if (this.#left === 0) {
        const count = Math.min(8 - this.#have, chunk.length - offset);
        chunk.copy(this.#header, this.#have, offset, offset + count);
        this.#have += count;
        offset += count;
        if (this.#have < 8) return;
        this.#have = 0;
        this.#kind = this.#header[0]!;
        this.#left = this.#header.readUInt32BE(4);
        if (this.#kind > 3) throw new Error(`Unrecognized input header: ${this.#kind}`);
        continue;
      }
      const part = chunk.subarray(offset, offset + this.#left);
      offset += part.length;
      this.#left -= part.length;
      if (this.#kind === 3) throw new Error(`error from daemon in stream: ${part.toString()}`);
      if (this.#kind === 2) this.#stderr(part);
      else this.#stdout(part);
    }
  }
}
