import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { appendFileSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { formatNano } from '../../api/timestamp.ts';
import type { LogEntry, LogReadOptions } from './contract.ts';
import { jsonFileFormat } from './json-file-format.ts';
import { localFormat } from './local-format.ts';
import type { LogFormat } from './log-file.ts';
import { readLog } from './log-reader.ts';

const START = 1_700_000_000_123_456_789n;
let directory = '';
let path = '';

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'gantry-logs-'));
  path = join(directory, 'x.log');
});
afterEach(() => rmSync(directory, { recursive: true }));

function timeOf(index: number): bigint {
  return START + BigInt(index);
}

/** Entry `index` as each form has it on disk; its text is "line <index>". */
const ENCODERS: { name: string; format: LogFormat; encode(index: number, text?: string): Buffer }[] = [
  {
    name: 'json-file',
    format: jsonFileFormat,
    encode: (index, text = `line ${index}`) =>
      Buffer.from(`${JSON.stringify({ log: `${text}\n`, stream: 'stdout', time: formatNano(timeOf(index)) })}\n`),
  },
  {
    name: 'local',
    format: localFormat,
    encode: (index, text = `line ${index}`) => {
      const message = Buffer.concat([
        field(1, Buffer.from('stdout')),
        Buffer.from([0x10]),
        varint(timeOf(index)),
        field(3, Buffer.from(text)),
      ]);
      const length = Buffer.alloc(4);
      length.writeUInt32BE(message.length);
      return Buffer.concat([length, message, length]);
    },
  },
];

function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>= 7n) {
    if (rest < 0x80n) return Buffer.from([...bytes, Number(rest)]);
    bytes.push(Number(rest & 0x7fn) | 0x80);
  }
}

function field(number: number, bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from([(number << 3) | 2]), varint(BigInt(bytes.length)), bytes]);
}

async function read(
  format: LogFormat,
  options: Partial<LogReadOptions> = {},
  all: LogEntry[] = [],
): Promise<LogEntry[]> {
  const full = { since: null, until: null, tail: null, follow: null, signal: new AbortController().signal, ...options };
  for await (const entries of readLog(path, format, full)) all.push(...entries);
  return all;
}

function numbers(entries: LogEntry[]): number[] {
  return entries.map((entry) => Number(/^line (\d+)\n$/.exec(entry.line.toString())?.[1]));
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index);
}

for (const { name, format, encode } of ENCODERS) {
  const encodeRange = (from: number, to: number) => Buffer.concat(range(from, to).map((index) => encode(index)));

  test(`${name}: a rotated and compressed set is read from old to new`, async () => {
    writeFileSync(`${path}.2.gz`, gzipSync(encodeRange(0, 100)));
    writeFileSync(`${path}.1`, encodeRange(100, 20_000));
    writeFileSync(path, encodeRange(20_000, 20_010));
    const entries = await read(format);
    assert.deepEqual(numbers(entries), range(0, 20_010));
    assert.equal(entries[7]!.timeNs, timeOf(7));
    assert.equal(entries[7]!.partial, false);
  });

  test(`${name}: tail reaches back over files of any kind`, async () => {
    writeFileSync(`${path}.2.gz`, gzipSync(encodeRange(0, 100)));
    writeFileSync(`${path}.1`, encodeRange(100, 9_000));
    writeFileSync(path, encodeRange(9_000, 9_010));
    for (const tail of [0, 1, 10, 11, 5_000, 8_910, 8_911, 9_009, 9_010, 99_999]) {
      const entries = await read(format, { tail });
      assert.deepEqual(numbers(entries), range(Math.max(0, 9_010 - tail), 9_010), `tail ${tail}`);
    }
  });

  test(`${name}: tail copes with entries longer than a block`, async () => {
    const long = 'x'.repeat(200_000);
    writeFileSync(path, Buffer.concat([encode(0), encode(1, long), encode(2)]));
    assert.equal((await read(format, { tail: 2 }))[0]!.line.length, long.length + 1);
    assert.equal((await read(format, { tail: 3 })).length, 3);
  });

  test(`${name}: since and until are inclusive, to the nanosecond`, async () => {
    writeFileSync(path, encodeRange(0, 10));
    assert.deepEqual(numbers(await read(format, { since: timeOf(3), until: timeOf(6) })), [3, 4, 5, 6]);
  });

  test(`${name}: what a torn write left does not hide what comes after`, async () => {
    const torn = encode(5, 'never finished').subarray(0, 20);
    writeFileSync(path, Buffer.concat([encodeRange(0, 2), torn, encodeRange(2, 4)]));
    assert.deepEqual(numbers(await read(format)), [0, 1, 2, 3]);
  });

  test(`${name}: reading up to a place goes on through rotations and ends there`, async () => {
    for (const rotations of [0, 1, 3]) {
      writeFileSync(path, encodeRange(0, 10));
      const upTo = async () => {
        let next = 10;
        for (let rotation = 0; rotation < rotations; rotation++) {
          appendFileSync(path, encodeRange(next, next + 10));
          for (let n = rotation; n > 0; n--) renameSync(`${path}.${n}`, `${path}.${n + 1}`);
          renameSync(path, `${path}.1`);
          next += 10;
          writeFileSync(path, encodeRange(next, next + 10));
          next += 10;
        }
        appendFileSync(path, encodeRange(next, next + 5));
        const { ino, size } = statSync(path, { bigint: true });
        const mark = { inode: ino, offset: Number(size), timeNs: timeOf(next + 5) };
        // What comes behind it is not asked for, in this file or in another.
        appendFileSync(path, encodeRange(next + 5, next + 9));
        if (rotations > 1) {
          for (let n = rotations; n > 0; n--) renameSync(`${path}.${n}`, `${path}.${n + 1}`);
          renameSync(path, `${path}.1`);
          writeFileSync(path, encodeRange(next + 9, next + 12));
        }
        return mark;
      };
      assert.deepEqual(numbers(await read(format, { upTo })), range(0, 15 + 20 * rotations), `${rotations}`);
      for (const file of readdirSync(directory)) rmSync(join(directory, file));
    }
    writeFileSync(path, encodeRange(0, 10));
    const all = async () => {
      appendFileSync(path, encodeRange(10, 12));
      return null;
    };
    assert.deepEqual(numbers(await read(format, { upTo: all })), range(0, 12));
  });

  test(`${name}: following goes through rotations and ends with the container`, async () => {
    writeFileSync(path, encodeRange(0, 10));
    const end = new AbortController();
    const seen: LogEntry[] = [];
    const reading = read(format, { follow: end.signal }, seen);
    let next = 10;
    for (let rotation = 0; rotation < 5; rotation++) {
      // The reader may be a file behind, no more: two are kept.
      while (seen.length < next) await sleep(5);
      appendFileSync(path, encodeRange(next, next + 50));
      if (rotation > 0) renameSync(`${path}.1`, `${path}.2`);
      renameSync(path, `${path}.1`);
      writeFileSync(path, encodeRange(next + 50, next + 60));
      next += 60;
    }
    appendFileSync(path, encodeRange(next, next + 1));
    end.abort();
    assert.deepEqual(numbers(await reading), range(0, next + 1));
  });

  test(`${name}: following misses nothing when two rotations go by unseen and compress`, async () => {
    writeFileSync(path, encodeRange(0, 10));
    const end = new AbortController();
    const seen: LogEntry[] = [];
    const reading = read(format, { follow: end.signal }, seen);
    while (seen.length < 10) await sleep(5);
    writeFileSync(`${path}.2.gz`, gzipSync(encodeRange(0, 10)));
    writeFileSync(`${path}.1`, encodeRange(10, 20));
    rmSync(path);
    writeFileSync(path, encodeRange(20, 30));
    await sleep(50);
    end.abort();
    assert.deepEqual(numbers(await reading), range(0, 30));
  });
}

test('a followed log that is not there yet is read once it is', async () => {
  const end = new AbortController();
  const reading = read(jsonFileFormat, { follow: end.signal });
  await sleep(20);
  writeFileSync(path, ENCODERS[0]!.encode(0));
  end.abort();
  assert.deepEqual(numbers(await reading), [0]);
});

test('until in the future ends a quiet follow', async () => {
  const never = new AbortController().signal;
  const until = (BigInt(Date.now()) + 50n) * 1_000_000n;
  assert.deepEqual(await read(jsonFileFormat, { follow: never, until }), []);
});

test('an aborted follow ends, and the container keeps nothing of it', async () => {
  const aborted = new AbortController();
  const follow = new AbortController().signal;
  const reading = read(jsonFileFormat, { follow, signal: aborted.signal });
  await sleep(20);
  assert.equal(getEventListeners(follow, 'abort').length, 1);
  aborted.abort();
  assert.deepEqual(await reading, []);
  assert.equal(getEventListeners(follow, 'abort').length, 0);
  assert.equal(getEventListeners(aborted.signal, 'abort').length, 0);
});
