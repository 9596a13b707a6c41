import { DatabaseSync, type StatementSync } from 'node:sqlite';

/** Versions of the schema, applied in order; PRAGMA user_version counts how many a database has seen. */
const MIGRATIONS = [
  `CREATE TABLE container (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, record TEXT NOT NULL) STRICT;
   CREATE TABLE image (id TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;
   CREATE TABLE image_reference (reference TEXT PRIMARY KEY, image_id TEXT NOT NULL REFERENCES image (id) ON DELETE CASCADE) STRICT;
   CREATE TABLE volume (name TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;
   CREATE TABLE setting (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;`,
];

/**
 * The engine's state in one SQLite file: one row an object, the object itself as JSON. Writes that a client was told of are
 * durable (synchronous=FULL); see `relaxed` for what may be lost in a power cut because start-up derives it again.
 */
export class StateStore {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  constructor(path: string) {
    this.#db = new DatabaseSync(path);
    this.#db.exec('PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;');
    const row = this.#db.prepare('PRAGMA user_version').get() as { user_version: number };
    for (let version = row.user_version; version < MIGRATIONS.length; version++) {
      this.transaction(() => {
        this.#db.exec(MIGRATIONS[version]!);
        this.#db.exec(`PRAGMA user_version=${version + 1}`);
      });
    }
  }

  /** Rows of a query, parameters bound in order. Statements are prepared once. */
  all(sql: string, ...parameters: (string | number | null)[]): Record<string, string>[] {
    return this.#prepare(sql).all(...parameters) as Record<string, string>[];
  }

  run(sql: string, ...parameters: (string | number | null)[]): void {
    this.#prepare(sql).run(...parameters);
  }

  /**
   * Runs a write whose loss in a power cut is harmless (the state of a process that the power cut ends as well), without
   * waiting for the disk. It is still ordered with the others and survives a killed daemon.
   */
  relaxed(write: () => void): void {
    this.#db.exec('PRAGMA synchronous=NORMAL');
    try {
      write();
    } finally {
      this.#db.exec('PRAGMA synchronous=FULL');
    }
  }

  transaction<T>(work: () => T): T {
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      this.#db.exec('COMMIT');
      return result;
    } catch (error) {
      this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  close(): void {
    this.#db.close();
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
