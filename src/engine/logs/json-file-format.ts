import { parseNano } from '../../api/timestamp.ts';
import type { LogEntry } from './contract.ts';
import type { LogFormat } from './log-file.ts';

const NEWLINE = 0x0a;
const LINE_START = Buffer.from('{"log":');

/** Docker's json-file form: one object a line, {"log":"text\n","stream":"stdout","attrs":{...},"time":"..."}. */
export const jsonFileFormat: LogFormat = {
  decode(data) {
    const entries: LogEntry[] = [];
    let at = 0;
    for (;;) {
      const end = data.indexOf(NEWLINE, at);
      if (end < 0) break;
      const entry = parseLine(data.subarray(at, end));
      if (entry !== null) entries.push(entry);
      at = end + 1;
    }
    return { entries, consumed: at };
  },

  async startOfLast(read, size, count) {
    let found = 0;
    let end = size;
    const step = 64 * 1024;
    while (end > 0) {
      const start = Math.max(0, end - step);
      const block = await read(start, end - start);
      for (let at = block.lastIndexOf(NEWLINE); at >= 0; at = at === 0 ? -1 : block.lastIndexOf(NEWLINE, at - 1)) {
        // The newline that ends record n from the end is where the last n - 1 start.
        if (found === count) return { offset: start + at + 1, count: found };
        found++;
      }
      end = start;
    }
    return { offset: 0, count: found };
  },
};

function parseLine(line: Buffer): LogEntry | null {
  const entry = parseObject(line);
  if (entry !== null) return entry;
  // A monitor that was killed in the middle of a write leaves a torn line, and the next run's first line is glued to it.
  const last = line.lastIndexOf(LINE_START);
  return last > 0 ? parseObject(line.subarray(last)) : null;
}

function parseObject(line: Buffer): LogEntry | null {
  let value: { log?: unknown; stream?: unknown; time?: unknown; attrs?: unknown };
  try {
    value = JSON.parse(line.toString('utf8'));
  } catch {
    return null;
  }
  if (value === null || typeof value !== 'object' || typeof value.log !== 'string') return null;
  const timeNs = typeof value.time === 'string' ? parseNano(value.time) : null;
  if (timeNs === null) return null;
  return {
    stream: value.stream === 'stderr' ? 'stderr' : 'stdout',
    timeNs,
    line: Buffer.from(value.log, 'utf8'),
    partial: !value.log.endsWith('\n'),
    attrs: (value.attrs as Record<string, string> | null | undefined) ?? {},
  };
}
