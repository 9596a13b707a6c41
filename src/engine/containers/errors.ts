import { GantryError } from '../../api/errors.ts';

// Messages that clients and users of Docker know; `id` is the full ID.

export const notRunning = (id: string) => new GantryError('conflict', `container ${id} is not running`);

export const isRestarting = (id: string) =>
  new GantryError('conflict', `Container ${id} is restarting, wait until the container is running`);

export const isPaused = (reference: string) =>
  new GantryError('conflict', `Container ${reference} is paused, unpause the container before exec`);

export const noSuchContainer = (reference: string) => new GantryError('not_found', `No such container: ${reference}`);

export const nameInUse = (name: string, id: string) =>
  new GantryError(
    'conflict',
    `Conflict. The container name "/${name}" is already in use by container "${id}". You have to remove (or rename) that container to be able to reuse that name.`,
  );
