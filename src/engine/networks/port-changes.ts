import { GantryError } from '../../api/errors.ts';
import type { PortBinding, PortMap } from '../../api/schemas/host-config.ts';
import { canonicalAddress } from '../../network/ports/address.ts';
import type { PortRequest, PublishedPort } from '../../network/ports/contract.ts';
import { portKey, portRequests } from '../../network/ports/port-request.ts';

/** What a client wants changed, both as HostConfig.PortBindings; of what is removed an empty field, or list, stands for any. */
export interface PortChange {
  add: PortMap;
  remove: PortMap;
}

export interface PreparedPortChange {
  /** The container's new PortBindings. */
  bindings: Record<string, PortBinding[]>;
  /** Of the ports that it has, those to take back. */
  gone: PublishedPort[];
  requests: PortRequest[];
}

/**
 * Which ports are published after a change, and what that means for those that are. A pure function.
 * @throws GantryError invalid_parameter, as portRequests() and for what is not there to be removed; conflict for what is published already
 */
export function preparePortChange(
  current: PortMap,
  published: readonly PublishedPort[],
  { add, remove }: PortChange,
): PreparedPortChange {
  const bindings: Record<string, PortBinding[]> = {};
  for (const [key, list] of Object.entries(current)) bindings[keyOf(key)] = [...(list ?? [])];
  const gone = new Set<PublishedPort>();
  for (const [text, list] of Object.entries(remove)) {
    const key = keyOf(text);
    const mine = published.filter((port) => portKey(port) === key);
    for (const wanted of list === null || list.length === 0 ? [{}] : list) {
      const left = without(bindings[key] ?? [], mine, wanted, gone);
      if (left === undefined) {
        throw new GantryError('invalid_parameter', `the container does not publish ${shown(key, wanted)}`);
      }
      bindings[key] = left;
    }
  }
  for (const [text, list] of Object.entries(add)) {
    const key = keyOf(text);
    const present = bindings[key] ?? [];
    bindings[key] = present;
    for (const { HostIp = '', HostPort = '' } of list ?? []) {
      const twice = HostPort !== '' && present.some((one) => sameAddress(one, HostIp) && one.HostPort === HostPort);
      if (twice)
        throw new GantryError('conflict', `the container publishes ${shown(key, { HostIp, HostPort })} already`);
      present.push({ HostIp, HostPort });
    }
  }
  for (const [key, list] of Object.entries(bindings)) if (list.length === 0) delete bindings[key];
  const requests = portRequests({ bindings: add, exposed: {}, publishAll: false });
  return { bindings, gone: [...gone], requests };
}

/** The bindings that stay, undefined when none goes. Ports that go with one are added to `gone`. */
function without(
  bindings: readonly PortBinding[],
  published: readonly PublishedPort[],
  { HostIp: ip = '', HostPort: port = '' }: PortBinding,
  gone: Set<PublishedPort>,
): PortBinding[] | undefined {
  const atAddress = bindings.filter((binding) => ip === '' || sameAddress(binding, ip));
  let leaving = atAddress.filter((binding) => port === '' || binding.HostPort === port);
  // A port that was chosen from a range, or at random.
  if (leaving.length === 0) {
    leaving = atAddress
      .filter((binding) => isSearched(binding) && published.some((one) => fits(one, binding, port)))
      .slice(0, 1);
  }
  if (leaving.length === 0) return undefined;
  for (const one of published) if (leaving.some((binding) => fits(one, binding, port))) gone.add(one);
  return bindings.filter((binding) => !leaving.includes(binding));
}

/** Whether a port may be published because of this binding; `port` narrows a binding that leaves the choice. */
function fits(one: PublishedPort, binding: PortBinding, port: string): boolean {
  const { HostIp: ip = '', HostPort: wanted = '' } = binding;
  if (ip !== '' && canonicalAddress(ip) !== one.hostIp) return false;
  if (!isSearched(binding)) return wanted === String(one.hostPort);
  const [first = 0, last = first] = wanted === '' ? [] : wanted.split('-').map(Number);
  const inside = first === 0 || (one.hostPort >= first && one.hostPort <= last);
  return inside && (port === '' || port === wanted || port === String(one.hostPort));
}

const isSearched = ({ HostPort = '' }: PortBinding): boolean =>
  HostPort === '' || HostPort === '0' || HostPort.includes('-');

function sameAddress({ HostIp = '' }: PortBinding, ip: string): boolean {
  return HostIp === '' || ip === '' ? HostIp === ip : canonicalAddress(HostIp) === canonicalAddress(ip);
}

/** "80" is TCP's. */
const keyOf = (text: string): string => (text.includes('/') ? text.toLowerCase() : `${text}/tcp`);

function shown(key: string, { HostIp: ip = '', HostPort: port = '' }: PortBinding): string {
  return `${ip === '' ? '' : `${ip}:`}${port === '' && ip === '' ? '' : `${port}:`}${key}`;
}
