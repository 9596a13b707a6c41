import { messageOf } from '../api/errors.ts';
import { type ForwardChain, NftForward, readLegacyForward } from '../linux/netfilter.ts';
import { acceptForwarding, type Backend } from './forward-policy.ts';
import type { NetworkLog } from './log.ts';

/** The kernel tells nobody of a legacy table's change, and Node cannot wait on a netlink socket: so we look, 0.1 ms each time. */
const INTERVAL_MS = 2000;

/**
 * Keeps the rules of forward-policy.ts where they are needed while the daemon runs: a dockerd or a firewall that starts later sets the
 * FORWARD policy to DROP, or flushes the chain, and containers that run must keep their network.
 */
export class ForwardWatch {
  readonly #bridges: () => readonly string[];
  readonly #log: NetworkLog;
  readonly #nft = new NftForward();
  #timer: NodeJS.Timeout | undefined;
  #seen = '';
  #work: Promise<void> = Promise.resolve();
  #queued: NodeJS.Immediate | undefined;

  /** @param bridges the interfaces that containers reach other networks by, at the time of asking */
  constructor(bridges: () => readonly string[], log: NetworkLog) {
    this.#bridges = bridges;
    this.#log = log;
  }

  /** Puts the rules where they are needed now, and from now on. */
  async start(): Promise<void> {
    this.#check();
    await this.#work;
    this.#timer = setInterval(() => this.#check(), INTERVAL_MS).unref();
  }

  /** Looks before the next interval is over, but not at once: for the start of a container. */
  hurry(): void {
    this.#queued ??= setImmediate(() => {
      this.#queued = undefined;
      this.#check();
    });
  }

  /** After there is another bridge: as start(). */
  async refresh(): Promise<void> {
    this.#seen = '';
    this.#check();
    await this.#work;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    clearImmediate(this.#queued);
    await this.#work;
    this.#nft.close();
  }

  #check(): void {
    const [nft, legacy] = [chainOf(() => this.#nft.read()), chainOf(readLegacyForward)];
    const state = `${nft.policy} ${nft.mark}, ${legacy.policy} ${legacy.mark}`;
    if (state === this.#seen) return;
    this.#seen = state;
    if (nft.policy === 'drop') this.#accept('iptables-nft');
    if (legacy.policy === 'drop') this.#accept('iptables-legacy');
  }

  #accept(backend: Backend): void {
    this.#work = this.#work.then(() => this.#addRules(backend));
  }

  async #addRules(backend: Backend): Promise<void> {
    for (const bridge of this.#bridges()) {
      try {
        if (await acceptForwarding(backend, bridge)) {
          // The rules are as they were before they were flushed: not to be taken for those of now.
          this.#seen = '';
          this.#log.info('the FORWARD policy is DROP: rules added for the bridge', { backend, bridge });
        }
      } catch (error) {
        this.#log.warn('cannot add rules to the FORWARD chain', { backend, error: messageOf(error) });
        this.#seen = '';
      }
    }
  }
}

function chainOf(read: () => ForwardChain): ForwardChain {
  try {
    return read();
  } catch {
    // The kernel does not have this backend.
    return { policy: null, mark: '' };
  }
}
