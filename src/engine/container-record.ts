import type { ContainerConfig, EndpointSettings, HealthcheckResult } from '../api/schemas/container.ts';
import type { HostConfig } from '../api/schemas/host-config.ts';
import type { MountPoint } from '../api/schemas/mount.ts';
import type { EndpointInfo, LastAddresses } from '../network/contract.ts';
import type { PublishedPort } from '../network/ports/contract.ts';
import type { MountRequest } from './volumes/mount-request.ts';

export type ContainerStatus = 'created' | 'running' | 'paused' | 'restarting' | 'removing' | 'exited' | 'dead';

export interface ContainerStateRecord {
  status: ContainerStatus;
  pid: number;
  /** /proc/<pid>/stat start time (clock ticks): tells the process from a later one with the same pid. */
  pidStartTime: string;
  exitCode: number;
  error: string;
  oomKilled: boolean;
  /** RFC 3339 with nanoseconds; "0001-01-01T00:00:00Z" for never. */
  startedAt: string;
  finishedAt: string;
  health: {
    status: 'none' | 'starting' | 'healthy' | 'unhealthy';
    failingStreak: number;
    log: HealthcheckResult[];
  } | null;
}

/** An image that is mounted in a container: as it was at create, whatever becomes of its name. */
export interface ImageMount {
  destination: string;
  imageId: string;
  /** Chain ID of its top layer, null for an image without layers. */
  chainId: string | null;
}

/** A link of the default bridge to another container, by ID: it outlives the other one's rename. */
export interface LinkRecord {
  alias: string;
  containerId: string;
  /** What the other container was called last; of use when it is gone. */
  name: string;
}

/** What the state store keeps of a container: enough to answer inspect and to start it again after anything. */
export interface ContainerRecord {
  id: string;
  /** Without the leading slash. */
  name: string;
  created: string;
  /** Command as run: path and args after the entrypoint and command rules. */
  path: string;
  args: string[];
  /** Merged with the image's. config.Image is the reference as the user gave it. */
  config: ContainerConfig;
  hostConfig: HostConfig;
  imageId: string;
  /** Chain ID of the image's top layer, null for an image without layers. */
  chainId: string | null;
  state: ContainerStateRecord;
  restartCount: number;
  /** The user stopped it: restart policies leave it alone until the next start. */
  stoppedByUser: boolean;
  mounts: MountPoint[];
  /** Missing for none. */
  imageMounts?: ImageMount[];
  /** What containers whose volumes it has (--volumes-from) asked for, as they did; missing for none. */
  inheritedMounts?: MountRequest[];
  /** See CreateRequest; missing for false. */
  flatReadOnly?: boolean;
  /** Anonymous volumes made for this container, removed by rm -v. */
  anonymousVolumes: string[];
  /** Requested endpoint settings of the networks that it is on, or will be when it starts, by network name. */
  endpointsConfig: Record<string, EndpointSettings>;
  /** Containers of the default bridge that it calls by names of its own (--link), in the order given; missing for none. */
  links?: LinkRecord[];
  /** Set where endpointsConfig names the network of the mode too; records of earlier versions leave that one out. */
  networksListed?: boolean;
  /** Addresses it had when it last ran, by network name: kept for it, and given again. */
  addresses?: Record<string, LastAddresses>;
  /** Present while it runs. */
  sandbox: { sandboxId: string; path: string; endpoints: EndpointInfo[] } | null;
  /** ID of its endpoint on "host" or "none", which have no interfaces, while it runs; missing on others. */
  plainEndpoint?: string;
  /** Ports of the host that are its own while it runs; missing for none. */
  publishedPorts?: PublishedPort[];
  /** Runtime it was started with. */
  runtime: string;
  /** Labels, log driver and so on are in config and hostConfig. */
  appArmorProfile: string;
}
