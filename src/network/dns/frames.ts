/** Messages over TCP: each behind its length in two bytes (RFC 1035 section 4.2.2). */

export function frame(message: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}

/** Cuts a stream into messages. Holds at most one unfinished message, so at most 64 KB and a chunk. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0);

  /** The messages that this chunk completes. */
  push(chunk: Buffer): Buffer[] {
    let data = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const messages: Buffer[] = [];
    while (data.length >= 2 && data.length >= 2 + data.readUInt16BE(0)) {
      const end = 2 + data.readUInt16BE(0);
      messages.push(data.subarray(2, end));
      data = data.subarray(end);
    }
    this.#rest = data;
    return messages;
  }
}
