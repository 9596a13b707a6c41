import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Output } from '../io.ts';
import { type ProgressMessage, showProgress } from './progress.ts';

/** What is written for the messages; `columns` 0 is no terminal. */
async function shown(messages: ProgressMessage[], columns: number): Promise<string> {
  let text = '';
  const output: Output = {
    fd: -1,
    isTTY: columns > 0,
    columns: () => columns,
    rows: () => 24,
    write: (data) => {
      text += String(data);
    },
  };
  async function* body() {
    for (const message of messages) yield Buffer.from(`${JSON.stringify(message)}\r\n`);
  }
  await showProgress(body(), output);
  return text;
}

/** The screen after the text, as far as the display's own control sequences go. */
function screen(text: string): string[] {
  const rows = [''];
  let row = 0;
  let column = 0;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are what this reads
  for (const part of text.match(/\x1b\[[0-9]*[A-Z]|[\s\S]/g) ?? []) {
    const count = Number.parseInt(part.slice(2), 10);
    if (part === '\r') column = 0;
    else if (part === '\n') {
      row++;
      column = 0;
      rows[row] ??= '';
    } else if (part.endsWith('A') && part.length > 1) row -= count;
    else if (part.endsWith('B') && part.length > 1) {
      row += count;
      while (rows.length <= row) rows.push('');
    } else if (part === '\x1b[K') rows[row] = rows[row]!.slice(0, column);
    else if (part === '\x1b[2K') rows[row] = '';
    else {
      rows[row] = rows[row]!.padEnd(column).slice(0, column) + part + rows[row]!.slice(column + 1);
      column++;
    }
  }
  return rows;
}

const loading = (id: string, current: number, total: number): ProgressMessage => ({
  status: 'Loading layer',
  id,
  progressDetail: { current, total },
});

test('each layer has a line, which moves in place', async () => {
  const text = await shown(
    [
      loading('aaa', 0, 20_000_000),
      loading('bbb', 1, 3),
      loading('aaa', 10_000_000, 20_000_000),
      { id: 'bbb', status: 'Done', progressDetail: {} },
      { stream: 'Loaded image: x:latest\n' },
    ],
    120,
  );
  assert.deepEqual(screen(text), [
    `aaa: Loading layer [${'='.repeat(25)}>${' '.repeat(25)}]     10MB/20MB`,
    'bbb: Done',
    'Loaded image: x:latest',
    '',
  ]);
});

test('a narrow terminal has the numbers alone, a wonky total is not shown', async () => {
  assert.deepEqual(screen(await shown([loading('a', 1500, 3000)], 80)), ['a: Loading layer    1.5kB/3kB', '']);
  assert.deepEqual(screen(await shown([loading('a', 3500, 3000)], 80)), ['a: Loading layer    3.5kB', '']);
  assert.deepEqual(screen(await shown([loading('a', 3500, 0)], 200)), ['a: Loading layer    3.5kB', '']);
});

test('progress without an id stays on its line', async () => {
  const importing = (current: number): ProgressMessage => ({
    status: 'Importing',
    progressDetail: { current, total: 4 },
  });
  assert.deepEqual(screen(await shown([importing(1), importing(4), { status: 'sha256:abc' }], 80)), ['sha256:abc', '']);
});

test('a plain message ends the block of bars', async () => {
  const rows = screen(await shown([loading('a', 1, 2), { status: 'between' }, loading('a', 2, 2)], 80));
  assert.deepEqual(rows, ['a: Loading layer       1B/2B', 'between', 'a: Loading layer       2B/2B', '']);
});

test('without a terminal bars are left out and all else is a line', async () => {
  const messages: ProgressMessage[] = [
    { status: 'Pulling from x', id: 'latest' },
    { id: 'aaa', status: 'Pulling fs layer', progressDetail: {} },
    loading('aaa', 1, 2),
    { id: 'aaa', status: 'Pull complete', progressDetail: {} },
    { aux: { ID: 'sha256:abc' } },
    { stream: 'Loaded' },
    { status: 'sha256:abc' },
  ];
  assert.equal(
    await shown(messages, 0),
    'latest: Pulling from x\naaa: Pulling fs layer\naaa: Pull complete\nLoadedsha256:abc\n',
  );
});

test('the error ends the display by itself', async () => {
  const failed = shown([{ status: 'a' }, { errorDetail: { message: 'no space' }, error: 'x' }, { status: 'b' }], 0);
  await assert.rejects(failed, { message: 'no space' });
  await assert.rejects(shown([{ error: 'old form' }], 0), { message: 'old form' });
});
