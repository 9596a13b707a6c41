import type { Exec } from './exec.ts';

/** Ended execs can be inspected this long (Docker's time), and only so many of them are kept. */
const KEPT_MS = 300_000;
const KEPT_COUNT = 4096;
/** How often it is looked for those whose time is over. */
const SWEEP_MS = 60_000;

/** The execs that clients can still ask for. */
export class ExecRegistry {
  readonly #execs = new Map<string, Exec>();
  /** When each of the ended ones did, milliseconds since the epoch, the longest ago first. */
  readonly #endedAt = new Map<string, number>();
  /** Runs while there are ended ones: a timer for each would outlast both the limit and the container. */
  #sweep: NodeJS.Timeout | null = null;

  get(id: string): Exec | undefined {
    return this.#execs.get(id);
  }

  add(exec: Exec): void {
    this.#execs.set(exec.id, exec);
  }

  remove(id: string): void {
    this.#execs.delete(id);
    this.#endedAt.delete(id);
  }

  /** From now on the exec is kept for a while only. */
  ended(exec: Exec): void {
    this.#endedAt.set(exec.id, Date.now());
    if (this.#endedAt.size > KEPT_COUNT) this.remove(this.#endedAt.keys().next().value!);
    this.#sweep ??= setInterval(() => this.#removeOld(), SWEEP_MS).unref();
  }

  removeAllOf(container: Exec['container']): void {
    for (const [id, exec] of this.#execs) if (exec.container === container) this.remove(id);
  }

  #removeOld(): void {
    const before = Date.now() - KEPT_MS;
    for (const [id, at] of this.#endedAt) {
      if (at > before) break;
      this.remove(id);
    }
    if (this.#endedAt.size > 0) return;
    clearInterval(this.#sweep!);
    this.#sweep = null;
  }
}
