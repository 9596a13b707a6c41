/** Runs tasks one after another, in the order they asked. A failed task does not stop the queue. */
export class AsyncLock {
  #tail: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  /** Tasks that wait or run now. */
  get depth(): number {
    return this.#waiting;
  }

  async run<T>(task: () => Promise<T>): Promise<T> {
    const before = this.#tail;
    let release!: () => void;
    this.#tail = new Promise<void>((resolve) => {
      release = resolve;
    });
    this.#waiting++;
    try {
      await before;
      return await task();
    } finally {
      this.#waiting--;
      release();
    }
  }
}
