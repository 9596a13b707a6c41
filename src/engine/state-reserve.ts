import { closeSync, constants, existsSync, openSync, rmSync, statSync } from 'node:fs';
import { allocate as allocateFile } from '../linux/file.ts';

/** SQLite starts its write-ahead log anew at 1000 pages of 4 KiB, with a header each. */
const LOG_BYTES = 5 << 20;
/** Growth of the database itself when the log is carried over. */
const DATABASE_BYTES = 1 << 20;

/**
 * Disk space that only the state uses, so that a disk filled by images and containers can still be cleared: stopping and removing
 * write a little first. While the database is open the space is allocated to its files beyond their ends; while it is closed, and
 * SQLite has deleted the log, a file beside them holds it. A file system that cannot do this, or is full, gives no reserve.
 */
export class StateReserve {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** The database is about to be opened. */
  release(): void {
    try {
      rmSync(this.#aside, { force: true });
    } catch {
      // A read-only file system: opening the database tells.
    }
  }

  /** The database is open. */
  hold(): void {
    allocate(`${this.#path}-wal`, LOG_BYTES);
    allocate(this.#path, (statSync(this.#path, { throwIfNoEntry: false })?.size ?? 0) + DATABASE_BYTES);
  }

  /** The database has been closed. */
  setAside(): void {
    allocate(this.#aside, LOG_BYTES + DATABASE_BYTES, constants.O_CREAT);
  }

  get #aside(): string {
    return `${this.#path}-reserve`;
  }
}

function allocate(path: string, bytes: number, flags = 0): void {
  if (flags === 0 && !existsSync(path)) return;
  try {
    const fd = openSync(path, constants.O_WRONLY | flags, 0o600);
    try {
      allocateFile(fd, bytes);
    } finally {
      closeSync(fd);
    }
  } catch {
    // No reserve: writes may fail on a full disk, which every caller is ready for.
  }
}
