import { randomBytes } from 'node:crypto';
import { GantryError, notSupportedYet } from '../../api/errors.ts';
import type { NetworkCreateRequest } from '../../api/schemas/network.ts';
import { formatTime, nowNs } from '../../api/timestamp.ts';
import { BUILT_IN } from '../../network/built-in.ts';
import type { NetworkRecord } from '../../network/contract.ts';
import { ENABLE_IPV4, ENABLE_IPV6, readBool } from '../../network/drivers/options.ts';

/** From a NetworkCreate body to a record as asked for; Networks.prepare() completes it. Throws Docker's refusals. */
export function networkRecord(body: NetworkCreateRequest, nameTaken: (name: string) => boolean): NetworkRecord {
  const name = body.Name ?? '';
  if (name.trim() === '') throw new GantryError('invalid_parameter', 'invalid name: name is empty');
  // "default" stands for the default bridge wherever a network is named.
  if ([...BUILT_IN, 'default'].includes(name) || name.startsWith('container:')) {
    throw new GantryError('forbidden', `operation is not permitted on predefined ${name} network `);
  }
  if (nameTaken(name)) throw new GantryError('conflict', `network with name ${name} already exists`);
  const driver = body.Driver || 'bridge';
  if (driver === 'overlay' || body.Scope === 'swarm' || body.Ingress === true) {
    throw new GantryError(
      'forbidden',
      'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.',
    );
  }
  if (body.ConfigOnly === true || (body.ConfigFrom?.Network ?? '') !== '') {
    throw notSupportedYet('a configuration-only network');
  }
  const options = body.Options ?? {};
  const family = (field: boolean | undefined | null, option: string, otherwise: boolean) => {
    if (field !== undefined && field !== null) return field;
    return options[option] === undefined ? otherwise : readBool(option, options[option]);
  };
  return {
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
  };
}
