/** Milliseconds without a request after which memory is given back. */
const QUIET_MS = 1000;
/** Clients that ask without pause, health checks and exits of containers do not quiet down: they are met by a look this often. */
const LOOK_MS = 30_000;
/** Growth since the last time, as a part of what was left then, from which on a collection is worth its pause. */
const WORTH = 1 / 32;

export interface ProcessMemory {
  /** Resident bytes of the process. */
  resident(): number;
  /** Gives back what is not in use; blocks the thread meanwhile. */
  release(): void;
}

/**
 * Keeps an idle daemon small. V8 collects only when it runs out of room and keeps emptied pages for the next burst, which for a
 * daemon may never come: after 160 starts 103 MB stay resident, of which a full collection and malloc_trim free more than 20. It takes
 * 20-35 ms with a few hundred containers, so it waits until nobody asks for anything, and until there is something to gain.
 */
export class IdleMemory {
  readonly #memory: ProcessMemory;
  #quiet: NodeJS.Timeout;
  readonly #look: NodeJS.Timeout;
  #left = 0;

  constructor(memory: ProcessMemory) {
    this.#memory = memory;
    // Neither keeps the process alive.
    this.#quiet = this.#whenQuiet();
    this.#look = setInterval(this.#releaseWhenWorth, LOOK_MS).unref();
  }

  /** A client asks for something or has been served: not now. */
  readonly touch = (): void => {
    clearTimeout(this.#quiet);
    this.#quiet = this.#whenQuiet();
  };

  close(): void {
    clearTimeout(this.#quiet);
    clearInterval(this.#look);
  }

  #whenQuiet(): NodeJS.Timeout {
    return setTimeout(this.#releaseWhenWorth, QUIET_MS).unref();
  }

  readonly #releaseWhenWorth = (): void => {
    const resident = this.#memory.resident();
    if (resident < this.#left * (1 + WORTH)) {
      this.#left = Math.min(this.#left, resident);
      return;
    }
    this.#memory.release();
    this.#left = this.#memory.resident();
  };
}
