import { GantryError } from '../../api/errors.ts';
import { type Filters, pattern } from '../../api/filters.ts';
import type { ContainerStatus } from '../container-record.ts';
import type { Container } from './container.ts';
import { listedPorts } from './network-view.ts';
import { NEVER } from './status-text.ts';

/** Filter keys of ContainerList. */
export const CONTAINER_FILTERS = [
  'ancestor',
  'before',
  'expose',
  'exited',
  'health',
  'id',
  'isolation',
  'is-task',
  'label',
  'name',
  'network',
  'publish',
  'since',
  'status',
  'volume',
];

const STATUSES: readonly ContainerStatus[] = [
  'created',
  'running',
  'paused',
  'restarting',
  'removing',
  'exited',
  'dead',
];
const HEALTH = ['none', 'starting', 'healthy', 'unhealthy'];

export interface FilterContext {
  resolve(reference: string): Container;
  /** IDs of the image that `reference` means and of all images made from it; empty when there is none. */
  imageFamily(reference: string): ReadonlySet<string>;
  networkId(name: string): string;
}

export interface ListFilter {
  /** Asks for containers in any state. */
  impliesAll: boolean;
  /** Bounds of the list, newest first: only what comes after `before` and before `since`. */
  before: Container | null;
  since: Container | null;
  matches(container: Container): boolean;
}

/** Filters of ContainerList made ready. Throws invalid_parameter for unknown keys and values, not_found for before and since. */
export function listFilter(filters: Filters, context: FilterContext): ListFilter {
  filters.accept(CONTAINER_FILTERS);
  const invalid = (message: string) => new GantryError('invalid_parameter', message);
  const exited = filters.get('exited').map((value) => {
    if (!/^[-+]?\d+$/.test(value)) throw invalid(`strconv.Atoi: parsing ${JSON.stringify(value)}: invalid syntax`);
    return Number(value);
  });
  const statuses = filters.get('status');
  for (const value of statuses) {
    if (STATUSES.includes(value as ContainerStatus)) continue;
    throw invalid(`invalid value for state (${value}): must be one of ${STATUSES.join(', ')}`);
  }
  const health = filters.get('health');
  for (const value of health) {
    if (HEALTH.includes(value)) continue;
    throw invalid(`invalid value for health (${value}): must be one of ${HEALTH.join(', ')}`);
  }
  const isTask = filters.has('is-task') ? filters.bool('is-task', false) : false;
  const ports = {
    publish: filters.get('publish').map((value) => portRange('publish', value)),
    expose: filters.get('expose').map((value) => portRange('expose', value)),
  };
  const ancestors = filters.has('ancestor')
    ? new Set(filters.get('ancestor').flatMap((reference) => [...context.imageFamily(reference)]))
    : null;
  const names = filters.get('name').map(pattern);
  const ids = filters.get('id').map(pattern);
  const last = (key: string) =>
    filters
      .get(key)
      .map((reference) => context.resolve(reference))
      .at(-1) ?? null;

  return {
    impliesAll: statuses.length > 0,
    before: last('before'),
    since: last('since'),
    matches(container) {
      const { record } = container;
      const { state } = record;
      if (names.length > 0 && !names.some((test) => test(record.name) || test(`/${record.name}`))) return false;
      if (ids.length > 0 && !ids.some((test) => test(record.id))) return false;
      if (!filters.matchLabels('label', record.config.Labels)) return false;
      if (isTask) return false; // No container is a swarm task.
      if (exited.length > 0 && (container.running || state.startedAt === NEVER || !exited.includes(state.exitCode))) {
        return false;
      }
      if (statuses.length > 0 && !statuses.includes(state.status)) return false;
      if (health.length > 0 && !health.includes(state.health?.status ?? 'none')) return false;
      if (ancestors !== null && !ancestors.has(record.imageId)) return false;
      return (
        matchesVolume(filters, container) &&
        matchesNetwork(filters, context, container) &&
        matchesPort(ports, container)
      );
    },
  };
}

function matchesVolume(filters: Filters, container: Container): boolean {
  const wanted = filters.get('volume');
  if (wanted.length === 0) return true;
  return container.record.mounts.some(
    (mount) => wanted.includes((mount.Name ?? '') || (mount.Source ?? '')) || wanted.includes(mount.Destination ?? ''),
  );
}

function matchesNetwork(filters: Filters, context: FilterContext, container: Container): boolean {
  const wanted = filters.get('network');
  if (wanted.length === 0) return true;
  return Object.keys(container.record.endpointsConfig).some(
    (name) => wanted.includes(name) || wanted.some((id) => id !== '' && context.networkId(name).startsWith(id)),
  );
}

interface PortRange {
  first: number;
  last: number;
  protocol: string;
}

/** "80", "80/udp", "8000-8010/tcp". Throws invalid_parameter with Docker's messages. */
function portRange(key: string, value: string): PortRange {
  const invalid = (message: string) => new GantryError('invalid_parameter', message);
  if (value.includes(':')) throw invalid(`filter for '${key}' should not contain ':': ${value}`);
  const [ports = '', protocol = 'tcp'] = value.split('/');
  const [first = '', last = first] = ports.split('-');
  const number = (text: string): number => {
    const why = !/^\d+$/.test(text) ? 'invalid syntax' : Number(text) > 65_535 ? 'value out of range' : null;
    if (why === null) return Number(text);
    throw invalid(
      `error while looking up for ${key} ${value}: strconv.ParseUint: parsing ${JSON.stringify(text)}: ${why}`,
    );
  };
  const range = { first: number(first), last: number(last), protocol: protocol.toLowerCase() };
  if (range.last < range.first) {
    throw invalid(`error while looking up for ${key} ${value}: invalid range specified for port: ${ports}`);
  }
  return range;
}

function matchesPort(wanted: { publish: PortRange[]; expose: PortRange[] }, container: Container): boolean {
  if (wanted.publish.length === 0 && wanted.expose.length === 0) return true;
  const within = (ranges: PortRange[], port: number | undefined, protocol: string | undefined) =>
    ranges.some(
      (range) => port !== undefined && port >= range.first && port <= range.last && protocol === range.protocol,
    );
  return listedPorts(container.record).some(
    (port) => within(wanted.publish, port.PublicPort, port.Type) || within(wanted.expose, port.PrivatePort, port.Type),
  );
}
