import { messageOf } from '../api/errors.ts';
import { NftForward } from '../linux/netfilter.ts';
import { acceptForwarding, BACKENDS, type Backend, familyOf, readForward } from './forward-policy.ts';
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
  readonly #backends: readonly Backend[];
  #timer: NodeJS.Timeout | undefined;
  #seen = '';
  #work: Promise<void> = Promise.resolve();
  #queued: NodeJS.Immediate | undefined;

  /**
   * @param families that rules may be added for
   * @param bridges the interfaces that containers reach other networks by, at the time of asking
   */
  constructor(families: { 4: boolean; 6: boolean }, bridges: () => readonly string[], log: NetworkLog) {
    this.#backends = BACKENDS.filter((backend) => families[familyOf(backend)]);
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
    const chains = this.#backends.map((backend) => ({ backend, ...readForward(backend, this.#nft) }));
    const state = chains.map(({ policy, mark }) => `${policy} ${mark}`).join(', ');
    if (state === this.#seen) return;
    this.#seen = state;
    for (const { backend, policy } of chains) if (policy === 'drop') this.#accept(backend);
  }

  #accept(backend: Backend): void {
    this.#work = this.#work.then(() => this.#addRules(backend));
  }

  async #addRules(backend: Backend): Promise<void> {
    try {
      const bridges = await acceptForwarding(backend, this.#bridges());
      if (bridges.length === 0) return;
      // The rules are as they were before they were flushed: not to be taken for those of now.
      this.#seen = '';
      this.#log.info('the FORWARD policy is DROP: rules added for bridges', { backend, bridges });
    } catch (error) {
      this.#log.warn('cannot add rules to the FORWARD chain', { backend, error: messageOf(error) });
      this.#seen = '';
    }
  }
}
