import { GantryError } from '../../api/errors.ts';
import type { Container } from './container.ts';
import { nameInUse, noSuchContainer } from './errors.ts';

/** Docker's rule for container names, also that of `reference` arguments that may be names. */
const NAME = /^\/?[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;

/** All containers by ID and name. A name can be reserved before its container exists. */
export class ContainerIndex {
  readonly #byId = new Map<string, Container>();
  /** Name to container ID. */
  readonly #names = new Map<string, string>();

  /** Containers being made: in no list yet, but what they stand on is in use. */
  readonly creating = new Set<Container>();

  /** Those that have links to others. */
  readonly linking = new Set<Container>();

  /** In order of creation. */
  all(): Container[] {
    return [...this.#byId.values()];
  }

  get size(): number {
    return this.#byId.size;
  }

  get(id: string): Container | null {
    return this.#byId.get(id) ?? null;
  }

  /** Throws invalid_parameter for a name Docker would not take, conflict when another container has it. */
  reserve(name: string, id: string): void {
    if (!NAME.test(name)) {
      throw new GantryError(
        'invalid_parameter',
        `Invalid container name (${name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`,
      );
    }
    const owner = this.#names.get(name);
    if (owner !== undefined && owner !== id) throw nameInUse(name, owner);
    this.#names.set(name, id);
  }

  /** Frees the name if `id` has it. */
  release(name: string, id: string): void {
    if (this.#names.get(name) === id) this.#names.delete(name);
  }

  taken(name: string): boolean {
    return this.#names.has(name);
  }

  /** The container's name must be reserved for it, or free. */
  add(container: Container): void {
    this.#names.set(container.name, container.id);
    this.#byId.set(container.id, container);
    if (container.record.links !== undefined) this.linking.add(container);
  }

  delete(container: Container): void {
    this.#byId.delete(container.id);
    this.linking.delete(container);
    this.release(container.name, container.id);
  }

  /** All names by which a container is found, in order: its own, and those that others have given it by a link ("/parent/alias"). */
  namesOf(container: Container): string[] {
    const given = [...this.linking].flatMap((parent) =>
      (parent.record.links ?? [])
        .filter(({ containerId }) => containerId === container.id)
        .map(({ alias }) => `/${parent.name}/${alias}`),
    );
    return [`/${container.name}`, ...given].sort();
  }

  /** By full ID, name, or the unique beginning of an ID, in this order. Throws not_found, invalid_parameter when ambiguous. */
  resolve(reference: string): Container {
    const exact = this.#byId.get(reference);
    if (exact !== undefined) return exact;
    const named = this.#names.get(reference.startsWith('/') ? reference.slice(1) : reference);
    const byName = named === undefined ? undefined : this.#byId.get(named);
    if (byName !== undefined) return byName;
    const linked = this.#linked(reference);
    if (linked !== undefined) return linked;
    if (reference === '') throw new GantryError('invalid_parameter', 'invalid name or ID supplied: ""');
    if (!/^[0-9a-f]{1,64}$/.test(reference)) throw noSuchContainer(reference);
    let found: Container | null = null;
    for (const [id, container] of this.#byId) {
      if (!id.startsWith(reference)) continue;
      if (found !== null) {
        throw new GantryError('invalid_parameter', `Multiple IDs found with provided prefix: ${reference}`);
      }
      found = container;
    }
    if (found === null) throw noSuchContainer(reference);
    return found;
  }

  /** What "parent/alias" means. */
  #linked(reference: string): Container | undefined {
    const [, parent, alias] = /^\/?([^/]+)\/([^/]+)$/.exec(reference) ?? [];
    if (parent === undefined) return undefined;
    const links = this.#byId.get(this.#names.get(parent) ?? '')?.record.links;
    return this.#byId.get(links?.find((link) => link.alias === alias)?.containerId ?? '');
  }
}
