import { GantryError } from '../../api/errors.ts';
import type { Container } from './container.ts';
import type { ContainerIndex } from './container-index.ts';

/** Gives a container another name. Throws invalid_parameter and conflict; it has its old name then. */
export async function rename(container: Container, name: string, index: ContainerIndex): Promise<void> {
  const wanted = name.startsWith('/') ? name.slice(1) : name;
  if (wanted === '') throw new GantryError('invalid_parameter', 'Neither old nor new names may be empty');
  await container.lock.run(async () => {
    const old = container.name;
    if (wanted === old) {
      throw new GantryError('invalid_parameter', 'Renaming a container with the same name as its current name');
    }
    try {
      index.reserve(wanted, container.id);
    } catch (cause) {
      if (!(cause instanceof GantryError)) throw cause;
      throw new GantryError(cause.code, `Error when allocating new name: ${cause.message}`, { cause });
    }
    container.record.name = wanted;
    try {
      container.save();
    } catch (error) {
      container.record.name = old;
      index.release(wanted, container.id);
      throw error;
    }
    index.release(old, container.id);
    container.event('rename', { oldName: `/${old}` });
  });
}
