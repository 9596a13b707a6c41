import type { ContainerRecord } from '../container-record.ts';
import type { EngineContext } from '../context.ts';
import type { ImageStore } from './image-store.ts';
import type { LayerUse } from './layer-use.ts';

/** What every image operation works on. */
export interface ImageScope {
  context: EngineContext;
  store: ImageStore;
  layers: LayerUse;
  /** Records of all containers, running or not. */
  containers(): ContainerRecord[];
}

/** Emits an image event as Docker does: the image's labels, and `name`, which is the ID for events that concern no single tag. */
export function imageEvent(scope: ImageScope, action: string, id: string, name: string): void {
  const labels = scope.store.get(id)?.config.Labels ?? {};
  scope.context.events.emit('image', action, id, { ...labels, name });
}

/** Whether a container is made of an image, or has it mounted. */
export function usesImage(record: Pick<ContainerRecord, 'imageId' | 'imageMounts'>, id: string): boolean {
  return record.imageId === id || (record.imageMounts ?? []).some(({ imageId }) => imageId === id);
}

export function isRunning(record: ContainerRecord): boolean {
  return ['running', 'paused', 'restarting'].includes(record.state.status);
}

/** The twelve digits of an ID that users see. */
export function shortId(id: string): string {
  return id.replace(/^sha256:/, '').slice(0, 12);
}
