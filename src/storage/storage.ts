import fs from 'node:fs';
import path from 'node:path';
import { GantryError } from '../api/errors.ts';
import { listMounts, MNT_DETACH, umount } from '../linux/mount.ts';
import { FileContentStore } from './content-store.ts';
import type { Digest, Storage } from './contract.ts';
import { FileLayerStore, removeTree } from './layer-store.ts';
import { LayerWorkers, layerWorkerUrl } from './layer-workers.ts';
import { checkRootPath } from './overlay.ts';
import { OverlayWritableLayers } from './writable-layers.ts';

export interface StorageOptions {
  /** The worker's file, when it does not lie beside this module. */
  workerUrl?: URL;
}

/** Opens (and makes, where it is new) the storage under an absolute path. Throws invalid_parameter for a path it cannot use. */
export function openStorage(root: string, options: StorageOptions = {}): OverlayStorage {
  return new OverlayStorage(root, options);
}

export class OverlayStorage implements Storage {
  readonly root: string;
  readonly content: FileContentStore;
  readonly layers: FileLayerStore;
  readonly writable: OverlayWritableLayers;

  constructor(root: string, options: StorageOptions = {}) {
    checkRootPath(root);
    // 0711: a container's process reaches its files through the mounts, others do not list what is here.
    fs.mkdirSync(root, { recursive: true, mode: 0o711 });
    // mountinfo has real paths: those given out must compare with it.
    this.root = fs.realpathSync(root);
    checkRootPath(this.root);
    fs.mkdirSync(path.join(this.root, 'tmp'), { recursive: true, mode: 0o700 });
    this.content = new FileContentStore(this.root);
    this.layers = new FileLayerStore(this.root, new LayerWorkers(options.workerUrl ?? layerWorkerUrl()));
    this.writable = new OverlayWritableLayers(this.root, this.layers);
  }

  describeLayer(chainId: Digest): { upperDir: string; lowerDirs: string[] } {
    const [upperDir, ...lowerDirs] = this.layers
      .chain(chainId)
      .map((layer) => this.layers.diffDirectory(layer.chainId));
    return { upperDir: upperDir!, lowerDirs };
  }

  async recover(liveIds: ReadonlySet<string>): Promise<void> {
    const tmp = path.join(this.root, 'tmp');
    for (const { mountPoint } of listMounts().reverse()) {
      // A layer whose removal a crash cut short may still be mounted there; its files below must not be those deleted.
      if (mountPoint.startsWith(`${tmp}/`)) umount(mountPoint, MNT_DETACH);
    }
    this.writable.recover(liveIds);
    for (const name of await fs.promises.readdir(tmp)) await removeTree(path.join(tmp, name));
  }

  status(): [string, string][] {
    const backing = backingFileSystem(this.root);
    return [
      ['Backing Filesystem', backing],
      // A directory listing without file types would have made overlayfs refuse the first mount.
      ['Supports d_type', 'true'],
      ['Using metacopy', 'false'],
      ['Native Overlay Diff', 'true'],
      ['userxattr', 'false'],
    ];
  }
}

/** Names as `docker info` prints them, by the magic number of statfs(2). */
const FILE_SYSTEMS = new Map([
  [0xef53, 'extfs'],
  [0x58465342, 'xfs'],
  [0x9123683e, 'btrfs'],
  [0x01021994, 'tmpfs'],
  [0x2fc12fc1, 'zfs'],
  [0xf2f52010, 'f2fs'],
  [0x794c7630, 'overlayfs'],
  [0x6969, 'nfs'],
]);

function backingFileSystem(root: string): string {
  try {
    return FILE_SYSTEMS.get(fs.statfsSync(root).type) ?? '<unknown>';
  } catch (error) {
    throw new GantryError('system', `cannot read the file system of ${root}`, { cause: error });
  }
}
