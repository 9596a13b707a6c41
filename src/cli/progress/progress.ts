/** The engine's stream of progress messages (jsonmessage): bars that move on a terminal, lines elsewhere. */

import { jsonStream } from '../../api/client/json-stream.ts';
import { humanSize } from '../../api/units.ts';
import type { Output } from '../io.ts';

interface Detail {
  current?: number;
  total?: number;
}

export interface ProgressMessage {
  stream?: string;
  status?: string;
  id?: string;
  /** An engine's own text for the bar; older than the detail. */
  progress?: string;
  /** Empty when the step has no size: the line is rewritten all the same. */
  progressDetail?: Detail | null;
  error?: string;
  errorDetail?: { message?: string; code?: number };
  aux?: unknown;
}

/** Shows the messages until their end. Throws what the engine reports as an error; the engine's message alone, as docker does. */
export async function showProgress(body: AsyncIterable<Buffer>, output: Output | undefined): Promise<void> {
  const screen: Screen = { lines: new Map(), unfinished: false };
  for await (const message of jsonStream<ProgressMessage>(body)) {
    const error = message.errorDetail?.message ?? message.error;
    if (error) throw new Error(error);
    if (!output || message.aux !== undefined) continue;
    if (output.isTTY) output.write(onTerminal(message, screen, output.columns()));
    // Bars are for terminals, what has none is told everywhere.
    else if (barOf(message.progressDetail, 0) === '') output.write(plainLine(message));
  }
}

interface Screen {
  /** Line of each id, counted from the first of the block that is being rewritten. */
  readonly lines: Map<string, number>;
  /** Progress without an id stands on the cursor's line. */
  unfinished: boolean;
}

function onTerminal(message: ProgressMessage, screen: Screen, columns: number): string {
  const { lines } = screen;
  const detail = message.progressDetail;
  if (message.stream || (!detail && !message.progress)) {
    // What is no progress ends the block: later bars begin below it.
    lines.clear();
    // A longer line of progress may have stood here.
    const clear = screen.unfinished ? '\x1b[2K' : '';
    screen.unfinished = false;
    return clear + (message.stream || plainLine(message));
  }
  const bar = detail ? barOf(detail, columns) : message.progress!;
  const line = `\x1b[2K\r${label(message)}${bar === '' ? '' : ` ${bar}`}\r`;
  if (!message.id) {
    lines.clear();
    screen.unfinished = true;
    return line;
  }
  let start = '';
  let index = lines.get(message.id);
  if (index === undefined) {
    index = lines.size;
    lines.set(message.id, index);
    start = '\n';
  }
  const up = lines.size - index;
  return `${start}\x1b[${up}A${line}\x1b[${up}B`;
}

function plainLine(message: ProgressMessage): string {
  if (message.stream) return message.stream;
  return `${label(message)}${message.progress ? ` ${message.progress}` : ''}\n`;
}

function label(message: ProgressMessage): string {
  return `${message.id ? `${message.id}: ` : ''}${message.status ?? ''}`;
}

const STEPS = 50;
/** A bar needs more columns than this. */
const NARROW = 110;

/** "[====>    ]  10.2MB/20.4MB"; '' when nothing is counted. */
function barOf(detail: Detail | null | undefined, columns: number): string {
  const { current = 0, total = 0 } = detail ?? {};
  if (current <= 0 && total <= 0) return '';
  const size = humanSize(current).padStart(8);
  if (total <= 0) return size;
  const done = Math.min(STEPS, Math.floor((current / total) * STEPS));
  const bar = columns > NARROW ? `[${'='.repeat(done)}>${' '.repeat(STEPS - done)}] ` : '';
  // More than all of it: the total is not to be trusted.
  return `${bar}${size}${current > total ? '' : `/${humanSize(total)}`}`;
}
