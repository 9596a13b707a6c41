import type { Digest, Storage } from '../../storage/contract.ts';
import { EventBus } from '../events.ts';
import { ImageStore } from './image-store.ts';
import { LayerUse } from './layer-use.ts';
import type { ImageScope } from './scope.ts';

/**
 * A copy of the images' world in which operations run as they would, and in which nothing happens: names and records are those of now
 * and change in memory alone, layers are only noted as gone, and nobody hears of events. `without`: IDs of containers left out.
 */
export function rehearsal(scope: ImageScope, without: ReadonlySet<string>): ImageScope {
  const { context } = scope;
  const store = new ImageStore({
    all: (sql, ...parameters) => context.store.all(sql, ...parameters),
    run() {},
    transaction: (_what, work) => work(),
  });
  const containers = () => scope.containers().filter(({ id }) => !without.has(id));
  const imagined = { ...context, events: new EventBus(), storage: unchanged(context.storage) };
  return { context: imagined, store, containers, layers: new LayerUse(imagined, store, containers) };
}

/** Storage from which layers and blobs seem to go. */
function unchanged(storage: Storage): Storage {
  const { layers, content } = storage;
  const gone = new Set<Digest>();
  return {
    root: storage.root,
    writable: storage.writable,
    content: {
      has: (digest) => content.has(digest),
      read: (digest) => content.read(digest),
      list: () => content.list(),
      write: refuse,
      delete() {},
    },
    layers: {
      get: (chainId) => (gone.has(chainId) ? null : layers.get(chainId)),
      list: () => layers.list().filter(({ chainId }) => !gone.has(chainId)),
      async remove(chainId) {
        gone.add(chainId);
      },
      register: refuse,
      tar: refuse,
      tarSize: refuse,
      mount: refuse,
    },
    describeLayer: (chainId) => storage.describeLayer(chainId),
    recover: refuse,
    status: () => storage.status(),
  };
}

function refuse(): never {
  throw new Error('nothing is written in a rehearsal');
}
