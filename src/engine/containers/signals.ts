import { constants } from 'node:os';
import { GantryError } from '../../api/errors.ts';

export const SIGKILL = 9;
export const SIGTERM = 15;

/** Of the kernel's 64; Node's table stops before the real-time ones (signal(7): glibc starts them at 34). */
const RTMIN = 34;
const RTMAX = 64;

/** Number of a signal given as number or name, with or without SIG. Throws invalid_parameter `invalid signal: x`. */
export function parseSignal(text: string): number {
  const invalid = () => new GantryError('invalid_parameter', `invalid signal: ${text}`);
  if (/^-?\d+$/.test(text)) {
    const number = Number(text);
    if (number < 1 || number > RTMAX) throw invalid();
    return number;
  }
  const name = text.toUpperCase().replace(/^SIG/, '');
  const realTime = /^RT(MIN|MAX)(?:([+-])(\d{1,2}))?$/.exec(name);
  if (realTime !== null) {
    const offset = Number(realTime[3] ?? 0) * (realTime[2] === '-' ? -1 : 1);
    const number = (realTime[1] === 'MIN' ? RTMIN : RTMAX) + offset;
    if (number < RTMIN || number > RTMAX) throw invalid();
    return number;
  }
  if (name === 'CLD') return constants.signals.SIGCHLD;
  const number = (constants.signals as Record<string, number>)[`SIG${name}`];
  if (number === undefined) throw invalid();
  return number;
}

/** Signals by which people end a container. Others (a HUP to reload) leave its restart policy in force. */
const ENDING = new Set([constants.signals.SIGINT, constants.signals.SIGQUIT, SIGKILL, SIGTERM]);

/** Whether a signal that a user sends means "stop": no restart policy undoes it. */
export function stopsForGood(signal: number, stopSignal: number): boolean {
  return signal === stopSignal || ENDING.has(signal);
}
