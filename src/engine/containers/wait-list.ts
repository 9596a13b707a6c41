export type WaitCondition = 'not-running' | 'next-exit' | 'removed';

export interface WaitResult {
  statusCode: number;
  /** Message of the API's Error field, or null. */
  error: string | null;
}

/** Clients that wait for a container's exit or removal (Engine API, ContainerWait). */
export class WaitList {
  readonly #waiters = new Map<WaitCondition, Set<(result: WaitResult) => void>>();

  /** Registered before it returns: an event that happens afterwards is not missed. */
  add(condition: WaitCondition, signal?: AbortSignal): Promise<WaitResult> {
    return new Promise((resolve, reject) => {
      const set = this.#waiters.get(condition) ?? new Set();
      this.#waiters.set(condition, set);
      const abort = () => {
        set.delete(done);
        reject(signal!.reason);
      };
      const done = (result: WaitResult) => {
        signal?.removeEventListener('abort', abort);
        resolve(result);
      };
      signal?.addEventListener('abort', abort, { once: true });
      set.add(done);
    });
  }

  /** There is no process to wait for. */
  stopped(result: WaitResult): void {
    this.#release('not-running', result);
  }

  /** The process has ended, whether or not a restart policy starts it again. */
  exited(result: WaitResult): void {
    for (const condition of ['not-running', 'next-exit'] as const) this.#release(condition, result);
  }

  /** Nothing of the container is left. */
  removed(result: WaitResult): void {
    for (const condition of ['not-running', 'next-exit', 'removed'] as const) this.#release(condition, result);
  }

  #release(condition: WaitCondition, result: WaitResult): void {
    const set = this.#waiters.get(condition);
    if (set === undefined) return;
    this.#waiters.delete(condition);
    for (const done of set) done(result);
  }
}
