import { performance } from 'node:perf_hooks';
import { MAX_MESSAGE, makeReply, type Query, RCODE, rcodeOf, withId } from './message.ts';
import { ask, type Transport, type Upstream } from './upstream.ts';

/** The address that the embedded server itself has in each namespace: asking it there would be asking ourselves. */
export const OWN_ADDRESS = '127.0.0.11';
/** As many as the C libraries and libnetwork take from a resolv.conf. */
const MAX_UPSTREAMS = 3;
/** A server that has not answered by then is not given up: the next one is asked beside it, and the first good reply counts. */
const PATIENCE_MS = 2000;
/** After the last one was asked; with three servers all is over a little after 8 s, with one before a client's usual 5 s. */
const LAST_PATIENCE_MS = 4000;
/** A server that was silent is asked last for this long. */
const DISTRUST_MS = 10_000;
/** Per sandbox: questions under way, and queries that wait for their end or their beginning. */
const MAX_EXCHANGES = 512;
const MAX_WAITERS = 4096;

/** What all forwarders together may have open: descriptors are the daemon's, whichever container asks. */
export class ForwardingBudget {
  #left: number;
  constructor(exchanges = 4096) {
    this.#left = exchanges;
  }
  take(): boolean {
    if (this.#left === 0) return false;
    this.#left--;
    return true;
  }
  give(): void {
    this.#left++;
  }
}

export interface ForwardingRules {
  upstreams: Upstream[];
  /** The sandbox has a way out. Without one, nothing is asked from the host's namespace for it (--internal). */
  external: boolean;
}

interface Exchange {
  key: string;
  transport: Transport;
  query: Query;
  waiters: { query: Query; onReply: (reply: Buffer) => void }[];
  /** Those not asked yet, the best first. */
  remaining: Upstream[];
  underWay: Map<Upstream, () => void>;
  timer?: NodeJS.Timeout;
}

/**
 * Passes a sandbox's queries on to other servers. Never waits for one of them: what is under way holds a descriptor for some seconds at most,
 * and there is a limit to that. A query equal to one under way shares its reply. That ends loops too: a query that comes back to us by way of a
 * forwarder in a container finds itself under way and is not sent again.
 */
export class Forwarder {
  readonly #namespace: string;
  readonly #budget: ForwardingBudget;
  readonly #exchanges = new Map<string, Exchange>();
  readonly #queue: Exchange[] = [];
  readonly #distrusted = new Map<string, number>();
  #upstreams: Upstream[] = [];
  #active = 0;
  #waiters = 0;

  /** @param namespace path of the sandbox's network namespace */
  constructor(namespace: string, rules: ForwardingRules, budget: ForwardingBudget) {
    this.#namespace = namespace;
    this.#budget = budget;
    this.setRules(rules);
  }

  /** For queries from now on. */
  setRules({ upstreams, external }: ForwardingRules): void {
    this.#upstreams = upstreams
      .filter(({ address, fromHost }) => (fromHost ? external : address !== OWN_ADDRESS))
      .slice(0, MAX_UPSTREAMS);
  }

  /** `onReply` is called once, with a reply under the query's id: that of a server, or an error. After close() never. */
  forward(transport: Transport, query: Query, onReply: (reply: Buffer) => void): void {
    const key = transport + query.bytes.toString('latin1', 2);
    const under = this.#exchanges.get(key);
    if (this.#upstreams.length === 0 || this.#waiters === MAX_WAITERS) {
      onReply(failed(query, this.#waiters === MAX_WAITERS ? RCODE.refused : RCODE.serverFailure));
      return;
    }
    this.#waiters++;
    if (under !== undefined) {
      under.waiters.push({ query, onReply });
      return;
    }
    const exchange: Exchange = {
      key,
      transport,
      query,
      waiters: [{ query, onReply }],
      remaining: [],
      underWay: new Map(),
    };
    this.#exchanges.set(key, exchange);
    if (this.#active < MAX_EXCHANGES) this.#begin(exchange);
    else this.#queue.push(exchange);
  }

  close(): void {
    for (const exchange of this.#exchanges.values()) {
      if (exchange.timer !== undefined) this.#budget.give();
      stop(exchange);
    }
    this.#exchanges.clear();
    this.#queue.length = 0;
  }

  #begin(exchange: Exchange): void {
    if (!this.#budget.take()) {
      this.#answer(exchange, RCODE.refused);
      return;
    }
    this.#active++;
    exchange.remaining = this.#byTrust();
    this.#askNext(exchange);
  }

  #askNext(exchange: Exchange): void {
    const upstream = exchange.remaining.shift();
    if (upstream === undefined) {
      this.#end(exchange);
      return;
    }
    clearTimeout(exchange.timer);
    const last = exchange.remaining.length === 0;
    exchange.timer = setTimeout(() => this.#onSilence(exchange, upstream, last), last ? LAST_PATIENCE_MS : PATIENCE_MS);
    try {
      const { transport, query } = exchange;
      const onEnd = (reply: Buffer | undefined): void => this.#onEnd(exchange, upstream, reply);
      exchange.underWay.set(upstream, ask({ transport, upstream, namespace: this.#namespace, query, onEnd }));
    } catch {
      // Not to be reached from there, or no descriptor left: the next one may be.
      this.#onEnd(exchange, upstream, undefined);
    }
  }

  #onEnd(exchange: Exchange, upstream: Upstream, reply: Buffer | undefined): void {
    exchange.underWay.delete(upstream);
    if (reply !== undefined) this.#distrusted.delete(upstream.address);
    const code = reply === undefined ? RCODE.serverFailure : rcodeOf(reply);
    // Both may be the trouble of that server alone.
    if (code === RCODE.serverFailure || code === RCODE.refused) {
      if (exchange.remaining.length > 0 || exchange.underWay.size === 0) this.#askNext(exchange);
    } else this.#end(exchange, reply);
  }

  #onSilence(exchange: Exchange, upstream: Upstream, last: boolean): void {
    this.#distrusted.set(upstream.address, performance.now() + DISTRUST_MS);
    if (last) this.#end(exchange);
    else this.#askNext(exchange);
  }

  #end(exchange: Exchange, reply?: Buffer): void {
    stop(exchange);
    this.#active--;
    this.#budget.give();
    this.#answer(exchange, reply ?? RCODE.serverFailure);
    while (this.#active < MAX_EXCHANGES && this.#queue.length > 0) this.#begin(this.#queue.shift()!);
  }

  #answer(exchange: Exchange, reply: Buffer | number): void {
    this.#exchanges.delete(exchange.key);
    this.#waiters -= exchange.waiters.length;
    for (const { query, onReply } of exchange.waiters) {
      onReply(typeof reply === 'number' ? failed(query, reply) : withId(reply, query.id));
    }
  }

  #byTrust(): Upstream[] {
    const now = performance.now();
    const distrusted = ({ address }: Upstream): boolean => (this.#distrusted.get(address) ?? 0) > now;
    return [...this.#upstreams.filter((one) => !distrusted(one)), ...this.#upstreams.filter(distrusted)];
  }
}

function stop(exchange: Exchange): void {
  clearTimeout(exchange.timer);
  for (const cancel of exchange.underWay.values()) cancel();
  exchange.underWay.clear();
}

function failed(query: Query, rcode: number): Buffer {
  return makeReply(query, MAX_MESSAGE, [], rcode);
}
