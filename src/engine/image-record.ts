import type { ImageConfig } from '../api/schemas/image.ts';

/** One step of an image's making (OCI image-spec, config.md "history"). */
export interface HistoryEntry {
  created?: string;
  created_by?: string;
  author?: string;
  comment?: string;
  empty_layer?: boolean;
}

/** What the state store keeps of an image; the config blob itself is in the content store under the image's ID. */
export interface ImageRecord {
  /** Digest of the config blob. */
  id: string;
  created: string;
  author: string;
  architecture: string;
  variant: string;
  os: string;
  osVersion: string;
  /** ID of the image it was committed or built from here, '' when unknown. */
  parent: string;
  comment: string;
  /** Merged into a container's config at create. */
  config: ImageConfig;
  diffIds: string[];
  /** Chain IDs of the layers, bottom first; the last is what a container is made on. */
  chainIds: string[];
  history: HistoryEntry[];
  /** Sum of the layers' sizes, bytes. */
  size: number;
  lastTagTime: string;
}
