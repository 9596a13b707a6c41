import { GantryError } from '../../api/errors.ts';
import { SystemCallError } from '../../linux/libc.ts';
import { IPVLAN_FLAGS, IPVLAN_MODES, type Link, MACVLAN_MODES } from '../../linux/netlink/link.ts';
import type { RouteSocket } from '../../linux/netlink/route.ts';
import type { LinkRequest, NetworkDriver, NetworkRecord, NetworkState } from '../contract.ts';
import { bridgeAlias } from './bridge.ts';
import {
  checkInterfaceName,
  ENABLE_IPV4,
  ENABLE_IPV6,
  IFACE_PREFIX,
  MTU,
  mtuOption,
  refuseUnknown,
} from './options.ts';

const PARENT = 'parent';
/** Index of no interface. */
const NOWHERE = 0x7fffffff;

/**
 * "macvlan" and "ipvlan": each container has an interface of its own on top of one of the host's, the parent, and is a neighbour on
 * that one's link. A parent "eth0.10" that is not there is made, as the 802.1Q sub-interface 10 of eth0, and removed with the last
 * network on it; without a parent the containers have a link of their own that leads nowhere else.
 */
export class StackedDriver implements NetworkDriver {
  readonly name: 'macvlan' | 'ipvlan';
  readonly ownSubnets = false;
  readonly #routes: RouteSocket;
  readonly #modes: Readonly<Record<string, number>>;
  readonly #modeOption: string;
  readonly #defaultMode: string;

  constructor(name: 'macvlan' | 'ipvlan', routes: RouteSocket) {
    this.name = name;
    this.#routes = routes;
    this.#modes = name === 'macvlan' ? MACVLAN_MODES : IPVLAN_MODES;
    this.#modeOption = `${name}_mode`;
    this.#defaultMode = name === 'macvlan' ? 'bridge' : 'l2';
  }

  prepare(record: NetworkRecord, others: readonly NetworkRecord[]): void {
    const { options } = record;
    refuseUnknown(record, [MTU, IFACE_PREFIX, ENABLE_IPV4, ENABLE_IPV6]);
    for (const name of Object.keys(options)) {
      const known = name === PARENT || name === this.#modeOption || (name === 'ipvlan_flag' && this.name === 'ipvlan');
      if (!known && !name.includes('.')) {
        throw new GantryError('invalid_parameter', `unknown option ${name} for driver ${this.name}`);
      }
    }
    mtuOption(record);
    const mode = options[this.#modeOption];
    if (mode !== undefined && this.#modes[mode] === undefined) {
      throw new GantryError(
        'invalid_parameter',
        `requested ${this.name} mode '${mode}' is not valid, '${this.#defaultMode}' mode is the ${this.name} driver default`,
      );
    }
    const flag = options.ipvlan_flag;
    if (flag !== undefined && IPVLAN_FLAGS[flag] === undefined) {
      throw new GantryError(
        'invalid_parameter',
        `requested ipvlan flag '${flag}' is not valid, 'bridge' is the ipvlan driver default`,
      );
    }
    if (!this.#kernelHas()) {
      throw new GantryError('not_supported', `this host's kernel has no ${this.name} (module ${this.name})`);
    }
    this.#checkParent(record, others);
  }

  add(record: NetworkRecord): NetworkState {
    const routes = this.#routes;
    const name = parentOf(record);
    let link = routes.link(name);
    const made = link === undefined;
    if (made) this.#makeParent(name, (record.options[PARENT] ?? '') === '');
    try {
      if (made) routes.setLink(name, { alias: bridgeAlias(name) });
      link = routes.link(name)!;
      const own = link.alias === bridgeAlias(name);
      if (own) routes.setLink(link.index, { up: true });
      return { record, interfaceName: name, index: link.index, mtu: mtuOption(record) || link.mtu, own };
    } catch (error) {
      if (made) routes.deleteLink(name);
      throw error;
    }
  }

  remove(state: NetworkState, shared: boolean): void {
    if (!state.own || shared) return;
    if (this.#routes.link(state.interfaceName) !== undefined) this.#routes.deleteLink(state.interfaceName);
  }

  connect(state: NetworkState, request: LinkRequest): string {
    const { options } = state.record;
    const mode = this.#modes[options[this.#modeOption] ?? this.#defaultMode]!;
    const mtu = mtuOption(state.record);
    try {
      this.#routes.addStacked({
        kind: this.name,
        name: request.interfaceName,
        mode,
        parent: state.index,
        namespace: request.namespace,
        ...(mtu === 0 ? {} : { mtu }),
        ...(this.name === 'ipvlan'
          ? { flags: IPVLAN_FLAGS[options.ipvlan_flag ?? 'bridge']! }
          : { macAddress: request.macAddress }),
      });
    } catch (cause) {
      if (options.macvlan_mode !== 'passthru' || !isInUse(cause)) throw cause;
      const message = `network ${state.record.name} is in passthru mode: its parent ${state.interfaceName} is one container's alone`;
      throw new GantryError('conflict', message, { cause });
    }
    return '';
  }

  routesByInterface(record: NetworkRecord): boolean {
    return this.name === 'ipvlan' && ['l3', 'l3s'].includes(record.options.ipvlan_mode ?? '');
  }

  #checkParent(record: NetworkRecord, others: readonly NetworkRecord[]): void {
    const parent = record.options[PARENT] ?? '';
    if (parent === '') return;
    checkInterfaceName(parent, 'parent');
    if (parent === 'lo') {
      throw new GantryError('invalid_parameter', `loopback interface is not a valid ${this.name} parent link`);
    }
    for (const other of others) {
      if (other.options[PARENT] !== parent || !['macvlan', 'ipvlan'].includes(other.driver)) continue;
      // The kernel gives an interface to one of the two kinds, and to one interface in passthru mode.
      const passthru = [record, other].some(({ options }) => options.macvlan_mode === 'passthru');
      if (other.driver !== this.name || passthru) {
        throw new GantryError('forbidden', `network ${other.name} is already using parent interface ${parent}`);
      }
    }
    if (this.#routes.link(parent) !== undefined) return;
    const { below } = splitVlan(parent);
    if (this.#routes.link(below) === undefined) {
      throw new GantryError('invalid_parameter', `-o parent interface was not found on the host: ${below}`);
    }
    if (!this.#kernelHas('vlan')) {
      throw new GantryError(
        'not_supported',
        `cannot make ${parent}: this host's kernel has no 802.1Q VLANs (module 8021q)`,
      );
    }
  }

  #makeParent(name: string, leadsNowhere: boolean): void {
    if (leadsNowhere) {
      try {
        this.#routes.addDummy(name);
      } catch (cause) {
        if (!isUnsupported(cause)) throw cause;
        throw new GantryError(
          'not_supported',
          `a ${this.name} network without a parent needs a dummy interface, which this host's kernel lacks (module dummy)`,
          { cause },
        );
      }
      return;
    }
    const { below, id } = splitVlan(name);
    const parent: Link | undefined = this.#routes.link(below);
    if (parent === undefined) {
      throw new GantryError('invalid_parameter', `-o parent interface was not found on the host: ${below}`);
    }
    this.#routes.addStacked({ kind: 'vlan', name, mode: id, parent: parent.index });
  }

  /** The kernel says that it does not know the kind before it says that the parent is not there. */
  #kernelHas(kind: 'macvlan' | 'ipvlan' | 'vlan' = this.name): boolean {
    try {
      this.#routes.addStacked({ kind, name: 'gantryprobe', mode: 1, parent: NOWHERE });
    } catch (error) {
      return !isUnsupported(error);
    }
    return true;
  }
}

/** The interface that a network's containers stand on. */
function parentOf(record: NetworkRecord): string {
  return record.options[PARENT] || `dm-${record.id.slice(0, 12)}`;
}

/** "eth0.10" as the interface below and the VLAN's number. Throws invalid_parameter. */
function splitVlan(name: string): { below: string; id: number } {
  const match = /^([^.]+)\.(\d{1,4})$/.exec(name);
  const id = Number(match?.[2]);
  if (match === null || id < 1 || id > 4094) {
    throw new GantryError('invalid_parameter', `invalid subinterface vlan name ${name}, example formatting is eth0.10`);
  }
  return { below: match[1]!, id };
}

/** The kernel's answer to a second interface on a parent that is passed through. */
function isInUse(error: unknown): boolean {
  return error instanceof SystemCallError && error.code === 'EINVAL';
}

function isUnsupported(error: unknown): boolean {
  return error instanceof SystemCallError && error.code === 'EOPNOTSUPP';
}
