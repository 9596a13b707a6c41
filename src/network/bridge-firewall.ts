import { messageOf } from '../api/errors.ts';
import { NftBatch } from '../linux/netlink/nft-batch.ts';
import { NftSocket } from '../linux/netlink/nft-socket.ts';
import { Firewalld } from './firewalld.ts';
import { stopAcceptingForwarding } from './forward-policy.ts';
import { ForwardWatch } from './forward-watch.ts';
import type { NetworkLog } from './log.ts';
import { type BridgeRules, type Families, installNat } from './nat-rules.ts';

/** Node cannot wait on a netlink socket, so we look: a few system calls when nothing has happened. */
const INTERVAL_MS = 1000;

/**
 * All that the bridges need of the host's packet filters: the rules of nat-rules.ts in a table of our own, and a way through those of
 * others (forward-policy.ts, firewalld.ts). Put back when another program has taken them away: containers run on, and must stay apart
 * from each other and reach what they reached.
 */
export class BridgeFirewall {
  readonly #table: string;
  readonly #families: Families;
  readonly #rules: () => readonly BridgeRules[];
  readonly #log: NetworkLog;
  readonly #nft = new NftSocket();
  readonly #firewalld: Firewalld;
  readonly #forward: ForwardWatch;
  /** The kernel's number of our table, undefined when it is not as we left it. */
  #handle: string | undefined;
  #installed = false;
  #timer: NodeJS.Timeout | undefined;
  /** Changes are made one after the other; how many are under way. */
  #work: Promise<void> = Promise.resolve();
  #pending = 0;

  /**
   * @param rules of the bridges that are there at the time of asking
   * @throws SystemCallError where the kernel has no nftables
   */
  constructor(table: string, families: Families, rules: () => readonly BridgeRules[], log: NetworkLog) {
    this.#table = table;
    this.#families = families;
    this.#rules = rules;
    this.#log = log;
    this.#firewalld = new Firewalld(this.#nft, log);
    this.#forward = new ForwardWatch(families, () => this.#reaching(), log);
  }

  /** Puts everything in place, and keeps it there from now on. */
  async start(): Promise<void> {
    await this.apply();
    await this.#forward.start();
    await this.#firewalld.join(this.#reaching());
    this.#timer = setInterval(() => this.#check(), INTERVAL_MS).unref();
  }

  /** Makes the rules those of the bridges of now. Throws GantryError system. */
  apply(): Promise<void> {
    // A daemon that has no bridge leaves the rules of the host alone.
    if (this.#rules().length === 0 && !this.#installed) return Promise.resolve();
    this.#installed = true;
    this.#pending += 1;
    const change = this.#work
      .then(() => installNat(this.#table, this.#rules(), this.#families))
      .then(() => this.#settle())
      .finally(() => {
        this.#pending -= 1;
      });
    this.#work = change.catch(() => {});
    return change;
  }

  /** After there is another bridge, whose rules are in place. */
  async added(bridgeName: string): Promise<void> {
    await this.#forward.refresh();
    await this.#firewalld.join([bridgeName]);
  }

  async removed(bridgeName: string): Promise<void> {
    await stopAcceptingForwarding(bridgeName);
    await this.#firewalld.leave([bridgeName]);
  }

  /** Looks at the FORWARD chain before the next interval is over, but not at once: for the start of a container. */
  hurry(): void {
    this.#forward.hurry();
  }

  /** Changes nothing any more. `bridges`: those that are to leave no trace; undefined when all stays for containers that live on. */
  async close(bridges: readonly string[] | undefined): Promise<void> {
    clearInterval(this.#timer);
    await this.#forward.close();
    await this.#work;
    if (bridges !== undefined && this.#installed) {
      await this.#attempt('remove the rules', () => removeTable(this.#nft, this.#table));
      for (const name of bridges) await this.#attempt('remove FORWARD rules', () => stopAcceptingForwarding(name));
      await this.#firewalld.leave(bridges);
    }
    this.#nft.close();
  }

  /** Bridges whose containers reach other networks. */
  #reaching(): string[] {
    return this.#rules().flatMap((rules) => (rules.internal ? [] : [rules.bridgeName]));
  }

  #check(): void {
    if (this.#pending > 0) return;
    try {
      const changed = this.#nft.changed(this.#table, '') || this.#handle === undefined;
      if (changed && this.#installed) {
        this.#log.info('the rules of the bridges were changed by another program: putting them back', {
          table: this.#table,
        });
        this.apply().catch((error: unknown) => this.#warn('put back the rules of the bridges', error));
      }
      if (this.#firewalld.isNew) {
        this.#pending += 1;
        this.#work = this.#work
          .then(() => this.#firewalld.join(this.#reaching()))
          .finally(() => {
            this.#pending -= 1;
          });
      }
    } catch (error) {
      this.#warn('look after the rules of the bridges', error);
    }
  }

  /** Our own doing is no news. A table that was removed in the same moment is not there. */
  #settle(): void {
    this.#nft.changed(this.#table, '');
    this.#handle = this.#nft.tableHandle(this.#table);
  }

  async #attempt(what: string, step: () => void | Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      this.#warn(what, error);
    }
  }

  #warn(what: string, error: unknown): void {
    this.#log.warn(`cannot ${what}`, { error: messageOf(error) });
  }
}

/** Takes a table away if it is there. Throws SystemCallError. */
export function removeTable(nft: NftSocket, table: string): void {
  if (nft.tableHandle(table) !== undefined) nft.commit(new NftBatch(table).deleteTable());
}
