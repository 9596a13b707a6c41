import { GantryError } from '../../api/errors.ts';
import type { NetworkCreateRequest } from '../../api/schemas/network.ts';
import type { NetworkRecord } from '../../network/contract.ts';

/** Networks that are nothing but settings (--config-only), and those that take theirs from one (--config-from). */

/** What goes with neither. Throws forbidden, worded as Docker's. */
export function checkConfigOnly(body: NetworkCreateRequest, record: NetworkRecord): void {
  const from = body.ConfigFrom?.Network ?? '';
  const configOnly = body.ConfigOnly === true;
  if (configOnly && (body.Ingress || body.Internal || body.Attachable || body.Scope)) {
    throw new GantryError(
      'forbidden',
      'configuration network can only contain network specific fields. Network operator fields like [ ingress | internal | attachable | scope ] are not supported.',
    );
  }
  if (from === '') return;
  if (configOnly) {
    throw new GantryError('forbidden', 'a configuration network cannot depend on another configuration network');
  }
  const { enableIpv4, enableIpv6, labels, ipam, options } = record;
  const settings =
    ipam.driver !== 'default' ||
    !enableIpv4 ||
    enableIpv6 ||
    ipam.config.length > 0 ||
    Object.keys({ ...labels, ...ipam.options }).length > 0;
  if (settings) {
    throw new GantryError(
      'forbidden',
      'user specified configurations are not supported if the network depends on a configuration network',
    );
  }
  if (Object.keys(options).length > 0) {
    throw new GantryError(
      'forbidden',
      'network driver options are not supported if the network depends on a configuration network',
    );
  }
}

/** A record with the settings of the network of that name. Throws not_found. */
export function configured(record: NetworkRecord, from: string, others: readonly NetworkRecord[]): NetworkRecord {
  const source = others.find(({ configOnly, name }) => configOnly === true && name === from);
  if (source === undefined) throw new GantryError('not_found', `configuration network "${from}" does not exist`);
  const { enableIpv4, enableIpv6, labels, ipam, options } = structuredClone(source);
  return { ...record, configFrom: from, enableIpv4, enableIpv6, labels, ipam, options };
}
