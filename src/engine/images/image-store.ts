import { GantryError } from '../../api/errors.ts';
import type { ImageRecord } from '../image-record.ts';
import type { StateStore } from '../state-store.ts';
import { familiarString, parseAnyReference, parseReference, storeKey, withDefaultTag } from './reference.ts';

/** Images and their names as the state store keeps them. Read through memory: the tables are small and asked on every start. */
export class ImageStore {
  readonly #store: Pick<StateStore, 'all' | 'run' | 'transaction'>;
  readonly #images = new Map<string, ImageRecord>();
  /** Image ID by full reference. */
  readonly #references = new Map<string, string>();

  constructor(store: Pick<StateStore, 'all' | 'run' | 'transaction'>) {
    this.#store = store;
    for (const row of store.all('SELECT record FROM image')) {
      const record = JSON.parse(row.record!) as ImageRecord;
      this.#images.set(record.id, record);
    }
    for (const row of store.all('SELECT reference, image_id FROM image_reference')) {
      this.#references.set(row.reference!, row.image_id!);
    }
  }

  get(id: string): ImageRecord | null {
    return this.#images.get(id) ?? null;
  }

  list(): ImageRecord[] {
    return [...this.#images.values()];
  }

  /** ID a full reference points at, or null. */
  target(reference: string): string | null {
    return this.#references.get(reference) ?? null;
  }

  /** Full references of an image, sorted; tags and digests. */
  referencesOf(id: string): string[] {
    const found: string[] = [];
    for (const [reference, target] of this.#references) if (target === id) found.push(reference);
    return found.sort();
  }

  allReferences(): ReadonlyMap<string, string> {
    return this.#references;
  }

  childrenOf(id: string): ImageRecord[] {
    return this.list().filter((image) => image.parent === id);
  }

  /**
   * The image that a name, an ID or the unique beginning of an ID means. Throws invalid_parameter for what is no reference and
   * not_found, "No such image: x:latest".
   */
  resolve(nameOrId: string): ImageRecord {
    const image = this.find(nameOrId);
    if (image !== null) return image;
    const any = parseAnyReference(nameOrId);
    const shown = 'id' in any ? any.id : familiarString(withDefaultTag(any.reference));
    const ambiguous = this.#byPrefix(nameOrId).length > 1 ? ' (more than one image ID begins so)' : '';
    throw new GantryError('not_found', `No such image: ${shown}${ambiguous}`);
  }

  /** As resolve, null when there is none. Throws invalid_parameter for what is no reference. */
  find(nameOrId: string): ImageRecord | null {
    const any = parseAnyReference(nameOrId);
    if ('id' in any) return this.get(any.id);
    const named = this.#references.get(storeKey(any.reference));
    if (named !== undefined) return this.get(named);
    const candidates = this.#byPrefix(nameOrId);
    return candidates.length === 1 ? candidates[0]! : null;
  }

  #byPrefix(text: string): ImageRecord[] {
    const prefix = text.startsWith('sha256:') ? text : `sha256:${text}`;
    if (!/^sha256:[0-9a-f]+$/.test(prefix)) return [];
    return this.list().filter((image) => image.id.startsWith(prefix));
  }

  /** Writes the record and points `references` (full ones) at it, in one transaction. */
  put(record: ImageRecord, references: string[] = []): void {
    const what = `image ${record.id}`;
    this.#store.transaction(what, () => {
      this.#store.run(
        what,
        'INSERT INTO image (id, record) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET record = excluded.record',
        record.id,
        JSON.stringify(record),
      );
      for (const reference of references) this.#putReference(reference, record.id);
    });
    this.#images.set(record.id, record);
    for (const reference of references) this.#references.set(reference, record.id);
  }

  untag(reference: string): void {
    this.#store.run(`reference ${reference}`, 'DELETE FROM image_reference WHERE reference = ?', reference);
    this.#references.delete(reference);
  }

  /** Removes the record and every name of it. Its children become images of their own. */
  delete(id: string): void {
    const orphans = this.childrenOf(id).map((child) => ({ ...child, parent: '' }));
    const what = `image ${id}`;
    this.#store.transaction(what, () => {
      for (const child of orphans) {
        this.#store.run(what, 'UPDATE image SET record = ? WHERE id = ?', JSON.stringify(child), child.id);
      }
      this.#store.run(what, 'DELETE FROM image WHERE id = ?', id);
    });
    for (const child of orphans) this.#images.set(child.id, child);
    this.#images.delete(id);
    for (const reference of this.referencesOf(id)) this.#references.delete(reference);
  }

  #putReference(reference: string, id: string): void {
    this.#store.run(
      `reference ${reference}`,
      `INSERT INTO image_reference (reference, image_id) VALUES (?, ?)
       ON CONFLICT (reference) DO UPDATE SET image_id = excluded.image_id`,
      reference,
      id,
    );
  }
}

/** Tags and digests of a list of full references in the form users see. */
export function familiarReferences(references: string[]): { tags: string[]; digests: string[] } {
  const tags: string[] = [];
  const digests: string[] = [];
  for (const reference of references) {
    const parsed = parseReference(reference);
    (parsed.digest === null ? tags : digests).push(familiarString(parsed));
  }
  return { tags, digests };
}
