/**
 * Storage keeps what images and containers are made of: blobs by digest, layers by chain ID, and a writable layer for each
 * container. Everything lies under one root (`<data-root>`); a thing that is only half written lies under `<root>/tmp` and is
 * renamed into place when it is whole and on disk, so that a crash leaves nothing but files in `tmp`, which `recover()` removes.
 *
 * Sources: OCI image-spec (layer.md: diff ID, chain ID, whiteouts; descriptor.md: digest).
 */
import type { Readable } from 'node:stream';

/** "sha256:<64 hex digits>". */
export type Digest = string;

export interface Layer {
  /** Identity of this layer on top of its parents (image-spec, "Layer ChainID"). */
  readonly chainId: Digest;
  /** Digest of the layer's uncompressed tar. */
  readonly diffId: Digest;
  readonly parent: Digest | null;
  /** Bytes of regular-file content in this layer alone. */
  readonly size: number;
}

export interface Change {
  /** Absolute path in the container. */
  path: string;
  /** 0 modified, 1 added, 2 deleted (Engine API ChangeType). */
  kind: 0 | 1 | 2;
}

/** Blobs by digest (image configs, manifests). */
export interface ContentStore {
  has(digest: Digest): boolean;
  /** The whole blob. Throws not_found. */
  read(digest: Digest): Buffer;
  /** Stores the bytes, synced to disk, and returns their digest; storing what is there is a no-op. */
  write(bytes: Uint8Array): Promise<Digest>;
  delete(digest: Digest): void;
  list(): Digest[];
}

/**
 * Image layers, each unpacked once and shared by all images and containers on top of it, plus what is needed to give the
 * layer's tar back byte for byte.
 */
export interface LayerStore {
  get(chainId: Digest): Layer | null;
  list(): Layer[];
  /**
   * Unpacks a tar stream (plain, gzip, zstd, bzip2 or xz, told by its first bytes) as a layer on `parent`. Existing layers are not unpacked
   * twice. Throws invalid_parameter for a hostile or damaged archive and when `expectedDiffId` differs; nothing stays behind.
   */
  register(
    tar: Readable,
    parent: Digest | null,
    options?: { expectedDiffId?: Digest; signal?: AbortSignal; onProgress?: (bytes: number) => void },
  ): Promise<Layer>;
  /** The layer's uncompressed tar, byte for byte as it came in (its digest is the diff ID). */
  tar(chainId: Digest): Readable;
  /** Size in bytes of that tar. */
  tarSize(chainId: Digest): number;
  /**
   * Mounts what a layer and its parents hold together (null: nothing) for reading, on a directory that is there. The caller unmounts it
   * and sees to it that the layer stays. Synchronous: on the start path. Throws not_found and SystemCallError.
   */
  mount(chainId: Digest | null, target: string): void;
  /** Removes the layer's files. The caller knows that nothing uses it. */
  remove(chainId: Digest): Promise<void>;
}

/** A container's writable layer. Its mount point is `<root>/rw/<id>/merged`, mounted only while somebody needs it (mounts are counted). */
export interface WritableLayers {
  create(id: string, parent: Digest | null, options?: { storageOpt?: Record<string, string> }): Promise<void>;
  exists(id: string): boolean;
  list(): string[];
  /** Mounts (or counts one more user) and returns the root directory. Synchronous: on the start path. */
  mount(id: string): string;
  /** Counts one user less; unmounts at zero. Never throws for what is not mounted. */
  unmount(id: string): void;
  /** Removes the layer and its mount, whatever their state. */
  remove(id: string): Promise<void>;
  /** What differs from the parent, sorted by path (`docker diff`). */
  changes(id: string): Promise<Change[]>;
  /** The difference as a layer tar with OCI whiteouts, reproducible in order (commit). */
  diffTar(id: string): Readable;
  /** Bytes of regular files in the writable layer. */
  size(id: string): Promise<number>;
  /** Upper directory, lower directories (top first), work and merged: for GraphDriver in inspect. */
  describe(id: string): { upperDir: string; lowerDirs: string[]; workDir: string; mergedDir: string };
}

export interface Storage {
  readonly root: string;
  readonly content: ContentStore;
  readonly layers: LayerStore;
  readonly writable: WritableLayers;
  /** GraphDriver Data of an image whose top layer this is. */
  describeLayer(chainId: Digest): { upperDir: string; lowerDirs: string[] };
  /** Unmounts and removes what a crash left: everything in tmp, mounts of no one. `liveIds`: containers that run now. */
  recover(liveIds: ReadonlySet<string>): Promise<void>;
  /** Backing file system ("extfs", "xfs", ...), d_type support: for `docker info`. */
  status(): [string, string][];
}
