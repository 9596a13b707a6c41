import { randomBytes } from 'node:crypto';
import { GantryError, notSupportedYet } from '../../api/errors.ts';
import type { NetworkCreateRequest } from '../../api/schemas/network.ts';
import { formatTime, nowNs } from '../../api/timestamp.ts';
import { BUILT_IN } from '../../network/built-in.ts';
import type { NetworkRecord } from '../../network/contract.ts';
import { ENABLE_IPV4, ENABLE_IPV6, readBool } from '../../network/drivers/options.ts';
import { checkConfigOnly, configured } from './config-only.ts';

/** From a NetworkCreate body to a record as asked for; Networks.prepare() completes it. Throws Docker's refusals. */
export function networkRecord(body: NetworkCreateRequest, others: readonly NetworkRecord[]): NetworkRecord {
  const name = body.Name ?? '';
  if (name.trim() === '') throw new GantryError('invalid_parameter', 'invalid name: name is empty');
  // "default" stands for the default bridge wherever a network is named.
  if ([...BUILT_IN, 'default'].includes(name) || name.startsWith('container:')) {
    throw new GantryError('forbidden', `operation is not permitted on predefined ${name} network `);
  }
  if (others.some((other) => other.name === name))
    throw new GantryError('conflict', `network with name ${name} already exists`);
  const driver = body.ConfigOnly === true ? 'null' : body.Driver || 'bridge';
  if (driver === 'overlay') {
    throw new GantryError(
      'forbidden',
      'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.',
    );
  }
  const options = body.Options ?? {};
  const family = (field: boolean | undefined | null, option: string, otherwise: boolean) => {
    if (field !== undefined && field !== null) return field;
    return options[option] === undefined ? otherwise : readBool(option, options[option]);
  };
  const record: NetworkRecord = {
    id: randomBytes(32).toString('hex'),
    name,
    created: formatTime(nowNs()),
    driver,
    enableIpv4: family(body.EnableIPv4, ENABLE_IPV4, true),
    enableIpv6: family(body.EnableIPv6, ENABLE_IPV6, false),
    internal: body.Internal === true,
    attachable: body.Attachable === true,
    labels: body.Labels ?? {},
    options,
    ipam: {
      driver: body.IPAM?.Driver || 'default',
      options: body.IPAM?.Options ?? null,
      config: structuredClone(body.IPAM?.Config ?? []),
    },
    pools: [],
    ...(body.ConfigOnly === true ? { configOnly: true } : {}),
  };
  checkConfigOnly(body, record);
  checkScope(body);
  const from = body.ConfigFrom?.Network ?? '';
  return from === '' ? record : configured(record, from, others);
}

/** Networks here are this host's. Throws forbidden for those of a swarm, not_supported. */
function checkScope({ Scope: scope = '', Ingress: ingress }: NetworkCreateRequest): void {
  if (ingress === true) throw new GantryError('forbidden', 'Ingress network can only be global scope network');
  if (scope === 'swarm') {
    throw new GantryError('forbidden', 'cannot create a swarm scoped network when swarm is not active');
  }
  if (!['', 'local'].includes(scope)) throw notSupportedYet(`network scope ${scope}`);
}
