import { GantryError } from '../../api/errors.ts';
import type { NetworkRecord, Networks } from '../../network/contract.ts';

/** By name, full ID or unambiguous prefix of it. Throws not_found, and invalid_parameter for what several networks' IDs begin with. */
export function findNetwork(networks: Pick<Networks, 'find' | 'records'>, reference: string): NetworkRecord {
  const found = networks.find(reference);
  if (found !== undefined) return found;
  const matches = reference === '' ? 0 : networks.records().filter(({ id }) => id.startsWith(reference)).length;
  if (matches > 1) {
    const why = `${matches} matches found based on ID prefix`;
    throw new GantryError('invalid_parameter', `network ${reference} is ambiguous (${why})`);
  }
  throw new GantryError('not_found', `network ${reference} not found`);
}
