import type { EventMessage } from '../api/schemas/system.ts';
import { wallClock } from '../linux/clock.ts';

export type EventType = 'container' | 'image' | 'volume' | 'network' | 'daemon';

/** How many past events `since` can reach (Docker keeps 256). */
const KEPT = 4096;

/** What happened, live and past (Engine API, SystemEvents). Filters are the caller's: see engine/event-filter.ts. */
export class EventBus {
  readonly #past: EventMessage[] = [];
  readonly #listeners = new Set<(event: EventMessage) => void>();
  #last = 0n;

  emit(type: EventType, action: string, id: string, attributes: Record<string, string> = {}): void {
    // Strictly increasing, so that a client that continues from the last time it saw misses and repeats nothing.
    const now = wallClock();
    this.#last = now > this.#last ? now : this.#last + 1n;
    const event: EventMessage = {
      Type: type as EventMessage['Type'],
      Action: action,
      Actor: { ID: id, Attributes: attributes },
      scope: 'local',
      time: Number(this.#last / 1_000_000_000n),
      // Beyond 2^53 the API's timeNano loses its last digits in JSON numbers made from a double; serialised by hand in routes.
      timeNano: this.#last as unknown as number,
    };
    this.#past.push(event);
    if (this.#past.length > KEPT) this.#past.splice(0, this.#past.length - KEPT);
    for (const listener of this.#listeners) listener(event);
  }

  /** How many subscriptions there are. */
  get listeners(): number {
    return this.#listeners.size;
  }

  past(): readonly EventMessage[] {
    return this.#past;
  }

  /** Returns the function that ends the subscription. */
  subscribe(listener: (event: EventMessage) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
