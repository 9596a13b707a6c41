import { setImmediate as nextTurn } from 'node:timers/promises';
import { errnoOf, messageOf } from '../api/errors.ts';
import type { RouteSocket } from '../linux/netlink/route.ts';
import { bridgeAlias, portPrefix } from './drivers/bridge.ts';
import type { NetworkLog } from './log.ts';

/** The kernel takes an ended namespace's interfaces away within some 100 ms; what is there after this time is held by a process. */
const REAP_DELAY_MS = 3000;

/** The host's ends of containers' pairs, from when they are no longer wanted. */
export class HostPorts {
  readonly #routes: RouteSocket;
  readonly #log: NetworkLog;
  /** Of released sandboxes: the kernel should remove them by itself. */
  readonly #leaving = new Set<string>();
  #reaper: NodeJS.Timeout | undefined;

  constructor(routes: RouteSocket, log: NetworkLog) {
    this.#routes = routes;
    this.#log = log;
  }

  /**
   * Takes a port out of use at once, so that whoever gets its address next never competes with it, and sees to it that it goes away.
   * Removing it here would block for an RCU grace period; the kernel does it when the namespace ends.
   */
  leave(name: string): void {
    const link = this.#routes.link(name);
    if (link === undefined) return;
    this.#leaving.add(name);
    this.#reaper ??= setTimeout(() => {
      this.#reaper = undefined;
      this.reap().catch((error: unknown) => this.#log.warn('cannot remove interfaces', { error: messageOf(error) }));
    }, REAP_DELAY_MS).unref();
    if (link.master === 0) return;
    try {
      this.#routes.disablePort(link.index);
    } catch (error) {
      // Half made, it was never up.
      if (errnoOf(error) !== 'ENETDOWN') throw error;
    }
  }

  /** Lets go of bridges' ports that belong to no running container. Other daemons' interfaces have other aliases. */
  leaveForeign(bridges: readonly { interfaceName: string; index: number }[], used: ReadonlySet<string>): void {
    const byAlias = new Set(bridges.map((bridge) => bridgeAlias(bridge.interfaceName)));
    const byIndex = new Map(bridges.map((bridge) => [bridge.index, bridge.interfaceName]));
    for (const link of this.#routes.links()) {
      if (link.kind !== 'veth' || used.has(link.name)) continue;
      const ours = byAlias.has(link.alias.slice(0, link.alias.lastIndexOf(':')));
      // Killed between making it and naming its owner.
      const bridge = byIndex.get(link.master);
      const halfMade = link.alias === '' && bridge !== undefined && link.name.startsWith(portPrefix(bridge));
      if (ours || halfMade) this.#attempt('disable a port', () => this.leave(link.name));
    }
  }

  /** Removes what the kernel has not. */
  async reap(): Promise<void> {
    clearTimeout(this.#reaper);
    this.#reaper = undefined;
    const names = [...this.#leaving];
    this.#leaving.clear();
    for (const name of names) {
      if (this.#routes.link(name) === undefined) continue;
      this.#attempt('remove an interface', () => this.#routes.deleteLink(name));
      await nextTurn();
    }
  }

  #attempt(what: string, step: () => void): void {
    try {
      step();
    } catch (error) {
      if (errnoOf(error) === 'ENODEV') return;
      this.#log.warn(`cannot ${what}`, { error: messageOf(error) });
    }
  }
}
