import type { RemoteJournal, RemoteThing } from '../../network/remote/contract.ts';
import type { StateStore } from '../state-store.ts';

const PUT =
  'INSERT INTO remote_thing (id, record) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET record = excluded.record';

/** The journal of what plugins have made, in the state store. */
export class StoredRemoteJournal implements RemoteJournal {
  readonly #store: StateStore;

  constructor(store: StateStore) {
    this.#store = store;
  }

  all(): RemoteThing[] {
    return this.#store
      .all('SELECT record FROM remote_thing ORDER BY rowid')
      .map((row) => JSON.parse(row.record!) as RemoteThing);
  }

  put(thing: RemoteThing): void {
    this.#store.run(nameOf(thing.id), PUT, thing.id, JSON.stringify(thing));
  }

  keep(thing: RemoteThing): void {
    this.#store.keep(nameOf(thing.id), 'relaxed', PUT, thing.id, JSON.stringify(thing));
  }

  strike(id: string): void {
    this.#store.keep(nameOf(id), 'relaxed', 'DELETE FROM remote_thing WHERE id = ?', id);
  }
}

function nameOf(id: string): string {
  return `what a plugin made (${id})`;
}
