import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { GantryError, messageOf } from '../api/errors.ts';
import type { Logger } from './context.ts';
import { StateReserve } from './state-reserve.ts';

/** Versions of the schema, applied in order; PRAGMA user_version counts how many a database has seen. */
const MIGRATIONS = [
  `CREATE TABLE container (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, record TEXT NOT NULL) STRICT;
   CREATE TABLE image (id TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;
   CREATE TABLE image_reference (reference TEXT PRIMARY KEY, image_id TEXT NOT NULL REFERENCES image (id) ON DELETE CASCADE) STRICT;
   CREATE TABLE volume (name TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;
   CREATE TABLE setting (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;`,
  'CREATE TABLE network (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, record TEXT NOT NULL) STRICT;',
  'CREATE TABLE remote_thing (id TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;',
];

/** Primary result codes of SQLite that speak of the disk and not of us: SQLITE_READONLY, _IOERR, _FULL, _CANTOPEN. */
const DISK_TROUBLE = new Set([8, 10, 13, 14]);
const SQLITE_FULL = 13;
/** How often writes that a full disk has put off are tried again. */
const RETRY_MS = 3000;

/** Whether a write that has no alternative waits for the disk: see StateStore.keep. */
export type Durability = 'durable' | 'relaxed';

interface Late {
  sql: string;
  parameters: (string | number | null)[];
}

/**
 * The engine's state in one SQLite file: one row an object, the object itself as JSON. Writes that a client was told of are
 * durable (synchronous=FULL); see `keep` for those that may be lost in a power cut because start-up derives them again.
 */
export class StateStore {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #reserve: StateReserve;
  readonly #log: Pick<Logger, 'error' | 'info'> | null;
  /** Writes that the disk did not take, by object, oldest first. */
  readonly #late = new Map<string, Late>();
  #timer: NodeJS.Timeout | null = null;

  /** Throws Error, naming the file, when it cannot be opened or is damaged. */
  constructor(path: string, log: Pick<Logger, 'error' | 'info'> | null = null) {
    this.#log = log;
    this.#reserve = new StateReserve(path);
    this.#reserve.release();
    try {
      this.#db = new DatabaseSync(path);
      // Nobody else opens it: the index of the log stays in our memory. As a mapped file it would end the daemon with SIGBUS
      // where a full disk has no block for one of its pages.
      this.#db.exec('PRAGMA locking_mode=EXCLUSIVE');
      this.#db.exec('PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;');
      this.#check();
      this.#migrate();
    } catch (error) {
      throw new Error(`cannot open the state in ${path}: ${messageOf(error)}`, { cause: error });
    }
    this.#reserve.hold();
  }

  /** A damaged page is met now, with everything still as it was, rather than in the midst of an operation. */
  #check(): void {
    const row = this.#db.prepare('PRAGMA quick_check(1)').get() as { quick_check: string };
    if (row.quick_check !== 'ok') throw new Error(`it is damaged: ${row.quick_check}`);
  }

  #migrate(): void {
    const { user_version: seen } = this.#db.prepare('PRAGMA user_version').get() as { user_version: number };
    if (seen > MIGRATIONS.length) throw new Error(`it is of a newer version (${seen}) than this one knows`);
    for (let version = seen; version < MIGRATIONS.length; version++) {
      this.transaction('schema', () => {
        this.#db.exec(MIGRATIONS[version]!);
        this.#db.exec(`PRAGMA user_version=${version + 1}`);
      });
    }
  }

  /** Rows of a query, parameters bound in order. Statements are prepared once. */
  all(sql: string, ...parameters: (string | number | null)[]): Record<string, string>[] {
    return this.#prepare(sql).all(...parameters) as Record<string, string>[];
  }

  /** One write; on disk when it returns. Throws no_space or system, naming `what`, and nothing has changed then. */
  run(what: string, sql: string, ...parameters: (string | number | null)[]): void {
    this.#attempt(what, () => {
      // What was put off comes first: a name that it frees may be taken by this write.
      if (!this.#db.isTransaction) this.#writeLate();
      this.#prepare(sql).run(...parameters);
    });
  }

  /**
   * One write that records what has happened already (a process has ended) or must not be refused (a container is stopped or
   * removed). A disk that does not take it stops nothing: the newest such write of each object is kept and tried again until it
   * succeeds. `relaxed` does not wait for the disk: for what a power cut ends anyway; it is still ordered with the others and
   * survives a killed daemon.
   */
  keep(what: string, durability: Durability, sql: string, ...parameters: (string | number | null)[]): void {
    this.#late.delete(what);
    if (durability === 'relaxed') this.#db.exec('PRAGMA synchronous=NORMAL');
    try {
      this.run(what, sql, ...parameters);
    } catch (error) {
      if (!isDiskTrouble((error as Error).cause)) throw error;
      if (this.#late.size === 0)
        this.#log?.error('state is kept in memory until the disk takes it', { error: messageOf(error) });
      this.#late.set(what, { sql, parameters });
      this.#timer ??= setInterval(() => this.#retry(), RETRY_MS).unref();
    } finally {
      if (durability === 'relaxed') this.#db.exec('PRAGMA synchronous=FULL');
    }
  }

  /** Throws no_space or system, naming `what`, and whatever `work` throws; nothing has changed then. */
  transaction<T>(what: string, work: () => T): T {
    return this.#attempt(what, () => {
      this.#writeLate();
      this.#db.exec('BEGIN IMMEDIATE');
      try {
        const result = work();
        this.#db.exec('COMMIT');
        return result;
      } catch (error) {
        // A full disk has rolled it back already.
        if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
        throw error;
      }
    });
  }

  close(): void {
    this.#retry();
    if (this.#late.size > 0)
      this.#log?.error('state is lost: the disk took none of it', { objects: [...this.#late.keys()] });
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#db.close();
    this.#reserve.setAside();
  }

  #attempt<T>(what: string, work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (!isDiskTrouble(error)) throw error;
      const full = primaryCode(error) === SQLITE_FULL;
      const reason = full ? 'no space left on device' : messageOf(error);
      throw new GantryError(full ? 'no_space' : 'system', `failed to store ${what}: ${reason}`, { cause: error });
    }
  }

  #writeLate(): void {
    if (this.#late.size === 0) return;
    for (const [what, { sql, parameters }] of this.#late) {
      this.#prepare(sql).run(...parameters);
      this.#late.delete(what);
    }
    this.#log?.info('the disk takes the state again');
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    this.#reserve.hold();
  }

  #retry(): void {
    try {
      this.#writeLate();
    } catch (error) {
      if (!isDiskTrouble(error)) throw error;
    }
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}

/** The low byte of SQLite's (extended) result code; null for other errors. */
function primaryCode(error: unknown): number | null {
  const code = (error as { errcode?: unknown } | null)?.errcode;
  return typeof code === 'number' ? code & 0xff : null;
}

function isDiskTrouble(error: unknown): boolean {
  return DISK_TROUBLE.has(primaryCode(error) ?? 0);
}
