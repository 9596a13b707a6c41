import { GantryError } from '../../api/errors.ts';
import type { RouteSocket } from '../../linux/netlink/route.ts';
import type { LinkRequest, NetworkDriver, NetworkState } from '../contract.ts';

/**
 * The synchronous part of a plugin's networks: the plugin has made everything on the host before (remote/), here its interface goes into
 * the sandbox.
 */
export class RemoteDriver implements NetworkDriver {
  readonly name: string;
  /** Where its subnets are is the plugin's affair: on the link that the host has them from, perhaps. */
  readonly ownSubnets = false;
  readonly #routes: RouteSocket;

  constructor(name: string, routes: RouteSocket) {
    this.name = name;
    this.#routes = routes;
  }

  /** The options are the plugin's. */
  prepare(): void {}

  add(record: NetworkState['record']): NetworkState {
    return { record, interfaceName: '', index: 0, mtu: 0, own: false };
  }

  remove(): void {}

  connect(_state: NetworkState, { link, namespace, interfaceName }: LinkRequest): string {
    if (link === undefined) throw new GantryError('system', `the plugin ${this.name} was not asked for an interface`);
    if (link.sourceName === '') return '';
    const there = this.#routes.link(link.sourceName);
    if (there === undefined) {
      throw new GantryError('system', `the plugin ${this.name} has made no interface "${link.sourceName}"`);
    }
    this.#routes.moveLink(there.index, namespace, interfaceName);
    return '';
  }

  routesByInterface(): boolean {
    return false;
  }
}
