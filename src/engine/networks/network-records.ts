import type { NetworkRecord } from '../../network/contract.ts';
import type { StateStore } from '../state-store.ts';

/** The networks that users have made, as the state store keeps them. */

/** Oldest first: the order in which they are brought up. */
export function storedNetworks(store: StateStore): NetworkRecord[] {
  return store
    .all('SELECT record FROM network')
    .map((row) => JSON.parse(row.record!) as NetworkRecord)
    .sort((one, other) => (one.created < other.created ? -1 : 1));
}

/** Durable. Throws no_space or system. */
export function storeNetwork(store: StateStore, record: NetworkRecord): void {
  const { id, name } = record;
  store.run(
    `network ${name}`,
    'INSERT INTO network (id, name, record) VALUES (?, ?, ?)',
    id,
    name,
    JSON.stringify(record),
  );
}

/** Deletes it, now or once the disk takes it: on the host it is gone already. */
export function eraseNetwork(store: StateStore, record: NetworkRecord): void {
  store.keep(`network ${record.name}`, 'durable', 'DELETE FROM network WHERE id = ?', record.id);
}
