import { messageOf } from '../api/errors.ts';
import type { NftSocket } from '../linux/netlink/nft-socket.ts';
import type { NetworkLog } from './log.ts';
import { run } from './run.ts';

/** Its table, of the inet family; another one after each of its reloads and restarts. */
const TABLE = 'firewalld';
/** A zone that every firewalld has, and that lets everything pass: what goes to bridges and between them our own rules decide. */
const ZONE = 'trusted';

/**
 * Where firewalld runs, it rejects what goes from an interface that is in no zone to another. So our bridges join its zone "trusted", as
 * dockerd's join one of its making; a bridge that an administrator has put into a zone stays there. Said by firewall-cmd, firewalld's
 * own client: half a second, never on the path of a container's start.
 */
export class Firewalld {
  readonly #nft: NftSocket;
  readonly #log: NetworkLog;
  #seen: string | undefined;

  constructor(nft: NftSocket, log: NetworkLog) {
    this.#nft = nft;
    this.#log = log;
  }

  /** Whether it has come, or begun anew, since the last join(). Two system calls. */
  get isNew(): boolean {
    const handle = this.#nft.tableHandle(TABLE);
    if (handle === undefined) this.#seen = undefined;
    return handle !== this.#seen;
  }

  /** Nothing where it does not run. What fails is logged: containers may run without other networks. */
  async join(bridges: readonly string[]): Promise<void> {
    const handle = this.#nft.tableHandle(TABLE);
    this.#seen = handle;
    if (handle === undefined || bridges.length === 0) return;
    try {
      const zones = await run('firewall-cmd', ['--get-active-zones']);
      const known = new Set(zones.split(/\s+/));
      const fresh = bridges.filter((bridge) => !known.has(bridge));
      if (fresh.length === 0) return;
      await run('firewall-cmd', [`--zone=${ZONE}`, ...fresh.map((bridge) => `--add-interface=${bridge}`)]);
      this.#log.info(`firewalld is running: bridges put into its zone "${ZONE}"`, { bridges: fresh });
    } catch (error) {
      this.#log.warn('cannot put bridges into a zone of firewalld', { error: messageOf(error) });
    }
  }

  async leave(bridges: readonly string[]): Promise<void> {
    if (this.#nft.tableHandle(TABLE) === undefined || bridges.length === 0) return;
    try {
      await run('firewall-cmd', [`--zone=${ZONE}`, ...bridges.map((bridge) => `--remove-interface=${bridge}`)]);
    } catch (error) {
      this.#log.warn('cannot take bridges out of a zone of firewalld', { error: messageOf(error) });
    }
  }
}
