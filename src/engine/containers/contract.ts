/** What the container domain needs of its neighbours, and the options of its operations. */
import type { Filters } from '../../api/filters.ts';
import type { ContainerConfig, HostConfig, NetworkingConfig } from '../../api/schemas/container.ts';
import type { ImageRecord } from '../image-record.ts';

export interface ImageLookup {
  /** By ID, ID prefix or reference. Throws not_found `No such image: x`. */
  resolve(reference: string): ImageRecord;
}

export interface CreateRequest {
  /** '' for a generated one. */
  name: string;
  /** '' or os[/arch[/variant]]; another platform than the image's is refused. */
  platform: string;
  /** ContainerConfig with HostConfig and NetworkingConfig, as the API's body. */
  body: ContainerConfig & { HostConfig?: HostConfig; NetworkingConfig?: NetworkingConfig };
  /** API version the body was written for: defaults differ. */
  apiVersion: string;
}

export interface StopOptions {
  /** '' for the container's own. */
  signal: string;
  /** Seconds; -1 waits for ever, 0 kills at once, null for the container's own. */
  timeout: number | null;
}

export interface RemoveOptions {
  force: boolean;
  /** Anonymous volumes too. */
  volumes: boolean;
  link: boolean;
}

export interface ListOptions {
  all: boolean;
  /** Newest n, whatever their state; 0 for no limit. */
  limit: number;
  size: boolean;
  filters: Filters;
  apiVersion: string;
}
