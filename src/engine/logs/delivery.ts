/** The options mode and max-buffer-size, which Docker has for every driver: what happens when the log cannot keep up. */
import { GantryError } from '../../api/errors.ts';
import { parseBytes } from '../../api/units.ts';

export const DELIVERY_OPTIONS: readonly string[] = ['mode', 'max-buffer-size'];

/** Docker's, bytes. */
const DEFAULT_BUFFER = 1_000_000;

/** Throws invalid_parameter for an unknown mode, and for a buffer that is no size or belongs to no buffered mode. */
export function validateDelivery(options: Record<string, string>): void {
  const { mode = '' } = options;
  if (!['', 'blocking', 'non-blocking'].includes(mode)) {
    throw new GantryError('invalid_parameter', `logger: logging mode not supported: ${mode}`);
  }
  const size = options['max-buffer-size'];
  if (size === undefined) return;
  if (mode !== 'non-blocking') {
    throw new GantryError(
      'invalid_parameter',
      "logger: max-buffer-size option is only supported with 'mode=non-blocking'",
    );
  }
  if (parseBytes(size) === null) {
    throw new GantryError('invalid_parameter', `error parsing option max-buffer-size: invalid size: '${size}'`);
  }
}

/** Bytes that wait in memory while the log cannot keep up, before lines are dropped; null: the process waits (blocking mode). */
export function bufferSize(options: Record<string, string>): number | null {
  if (options.mode !== 'non-blocking') return null;
  return parseBytes(options['max-buffer-size'] ?? '') || DEFAULT_BUFFER;
}
