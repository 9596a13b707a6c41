import { GantryError } from '../../api/errors.ts';
import type { Container } from '../containers/container.ts';
import type { Containers } from '../containers/containers.ts';
import type { CommitOptions } from './create.ts';
import type { Images } from './images.ts';

/**
 * `docker commit` of a container in any state. `pause`: one that runs stands still meanwhile, so that the image holds one moment.
 * Returns the image's ID. Throws conflict for a container that is being removed.
 */
export async function commit(
  engine: { images: Images; containers: Containers },
  container: Container,
  options: CommitOptions & { pause: boolean },
): Promise<string> {
  const { images, containers } = engine;
  const status = () => container.record.state.status;
  if (container.removing || status() === 'removing') {
    throw new GantryError('conflict', `You cannot commit container ${container.id} which is being removed`);
  }
  if (status() === 'dead') {
    throw new GantryError('conflict', `You cannot commit container ${container.id} which is Dead`);
  }
  if (!options.pause || status() !== 'running') return images.commit(container.record, options);
  await containers.pause(container);
  try {
    return await images.commit(container.record, options);
  } finally {
    // Killed meanwhile: then it does not stand still any more.
    if (status() === 'paused') await containers.unpause(container);
  }
}
