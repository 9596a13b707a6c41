/** The engine's stream of progress messages (jsonmessage): bars that move on a terminal, lines elsewhere. */

import { jsonStream } from '../../api/client/json-stream.ts';
import { humanSize } from '../../api/units.ts';
import type { Output } from '../io.ts';

export interface ProgressMessage {
  stream?: string;
  status?: string;
  id?: string;
  progress?: string;
  progressDetail?: { current?: number; total?: number; start?: number; hidecounts?: boolean; units?: string } | null;
  error?: string;
  errorDetail?: { message?: string; code?: number };
  aux?: unknown;
}

/** Shows the messages until their end. Throws what the engine reports as an error; the engine's message alone, as docker does. */
export async function showProgress(body: AsyncIterable<Buffer>, output: Output | undefined): Promise<void> {
  const terminal = output?.isTTY ?? false;
  /** Line of each id, counted from the first that was shown. */
  const lines = new Map<string, number>();
  for await (const message of jsonStream<ProgressMessage>(body)) {
    const error = message.errorDetail?.message ?? message.error;
    if (error) throw new Error(error);
    if (!output || message.aux !== undefined) continue;
    const bar = progressText(message, terminal ? output.columns() : 0);
    if (!terminal && bar !== '') continue;
    if (terminal && message.id && (bar !== '' || message.progressDetail !== undefined)) {
      let line = lines.get(message.id);
      if (line === undefined) {
        line = lines.size;
        lines.set(message.id, line);
        output.write('\n');
      }
      const up = lines.size - line;
      output.write(`\x1b[${up}A\x1b[2K\r${lineOf(message, bar)}\r\x1b[${up}B`);
      continue;
    }
    if (terminal && message.id === undefined) lines.clear();
    output.write(message.stream ?? `${lineOf(message, bar)}\n`);
  }
}

function lineOf(message: ProgressMessage, bar: string): string {
  const prefix = message.id ? `${message.id}: ` : '';
  return `${prefix}${message.status ?? ''}${bar === '' ? '' : ` ${bar}`}`;
}

const NARROW = 110;

function progressText(message: ProgressMessage, columns: number): string {
  const { current = 0, total = 0 } = message.progressDetail ?? {};
  if (current <= 0 && total <= 0) return message.progress ?? '';
  const size = (bytes: number) => humanSize(bytes, 4).padStart(8);
  if (total <= 0 || current > total) return size(current);
  const steps = Math.min(50, Math.floor((current / total) * 50));
  const bar = columns > NARROW ? `[${'='.repeat(steps)}>${' '.repeat(50 - steps)}] ` : '';
  return `${bar}${size(current)}/${humanSize(total, 4)}`;
}
