/** What the container domain needs of its neighbours in the engine, and the options of its operations. */
import type { Filters } from '../../api/filters.ts';
import type { ContainerConfig, NetworkingConfig } from '../../api/schemas/container.ts';
import type { HostConfig } from '../../api/schemas/host-config.ts';
import type { MountPoint } from '../../api/schemas/mount.ts';
import type { HostFacts } from '../../runtime/spec/host-facts.ts';
import type { ResolvedMount } from '../../runtime/spec/input.ts';
import type { CgroupStats } from '../../runtime/stats.ts';
import type { ContainerRecord, ImageMount } from '../container-record.ts';
import type { ImageRecord } from '../image-record.ts';
import type { LogDrivers } from '../logs/log-drivers.ts';
import type { PreparedPortChange } from '../networks/port-changes.ts';
import type { MountRequest } from '../volumes/mount-request.ts';

export interface ImageLookup {
  /** By ID, ID prefix or reference. Throws not_found `No such image: x`. */
  resolve(reference: string): ImageRecord;
  all(): ImageRecord[];
  /** After a container was removed: drops layers that only it still used. */
  releaseLayers(container: Pick<ContainerRecord, 'imageId' | 'chainId' | 'imageMounts'>): Promise<void>;
}

export interface PreparedVolumes {
  mounts: MountPoint[];
  /** Names of the volumes made for this container alone. */
  anonymousVolumes: string[];
  /** See ContainerRecord. */
  inheritedMounts: MountRequest[];
}

/** Binds, volumes and tmpfs of a container. */
export interface ContainerVolumes {
  /** At daemon start, before any other: who uses which volumes; completes what a crash left half done. */
  recover(records: readonly ContainerRecord[]): Promise<void>;
  /** At create: makes the volumes that are missing. Throws for sources that are not there; nothing stays behind then. */
  prepare(request: {
    containerId: string;
    config: ContainerConfig;
    hostConfig: HostConfig;
    imageMounts: readonly ImageMount[];
    /** Record of the container that VolumesFrom names. Throws not_found. */
    container: (reference: string) => ContainerRecord;
  }): Promise<PreparedVolumes>;
  /** At start: mounts the volumes and says what the runtime mounts. What it has done when it throws, unmounted() undoes. */
  resolve(record: ContainerRecord): Promise<ResolvedMount[]>;
  /** At daemon start: a container that runs, or ran when the last daemon ended, has its volumes mounted. */
  adopt(record: ContainerRecord): void;
  /** At daemon start, when all that run are adopted: lets go what no one has mounted. */
  settle(): void;
  /** After the process, whose mounts have gone with it. Unmounts all it can, then throws the first error. */
  unmounted(record: ContainerRecord): Promise<void>;
  /** After the container is gone; anonymous volumes too when `remove`. */
  release(record: ContainerRecord, remove: boolean): Promise<void>;
}

/** What is read and written of a container's cgroup; paths as in the OCI spec's linux.cgroupsPath. */
export interface ContainerCgroups {
  /** Wakes the kernel's cgroup machinery up, so that the runtime does not wait for it. */
  warm(): void;
  /** Stops all processes; resolves when they stand still. */
  freeze(path: string): Promise<void>;
  thaw(path: string): Promise<void>;
  /** Kills what is left in it and removes it. Never throws. */
  clear(path: string): Promise<void>;
  /** Whether freeze() has been asked for, by whichever daemon. */
  frozen(path: string): boolean;
  /** Takes limits away. */
  lift(path: string, lifted: { swap: boolean; cpuQuota: boolean; pids: boolean }): void;
  /** All processes in the cgroup and those below it. */
  pids(path: string): number[];
  /** The parts of ContainerStatsResponse that come from the cgroup. */
  stats(path: string): CgroupStats;
}

/** Published ports of containers that run. */
export interface ContainerPorts {
  /** Publishes and takes back, in one step. Returns what undoes it. Throws as the start does when a port is taken; all is as before then. */
  change(record: ContainerRecord, change: PreparedPortChange): () => void;
}

export interface ContainersDeps {
  ports: ContainerPorts;
  images: ImageLookup;
  volumes: ContainerVolumes;
  logDrivers: LogDrivers;
  hostFacts: HostFacts;
  cgroups: ContainerCgroups;
}

export interface CreateRequest {
  /** '' for a generated one. */
  name: string;
  /** '' or os[/arch[/variant]]; another platform than the image's is refused. */
  platform: string;
  /** ContainerConfig with HostConfig and NetworkingConfig, as the API's body. */
  body: ContainerConfig & { HostConfig?: HostConfig; NetworkingConfig?: NetworkingConfig };
  /** The cgroup namespace is the host's unless the body names one, on hosts with cgroup v1: what clients before API 1.41 count on. */
  hostCgroupns: boolean;
  /** Read-only binds leave the mounts below them writable: what clients before API 1.44 count on. */
  flatReadOnly: boolean;
}

export interface StopOptions {
  /** '' for the container's own. */
  signal: string;
  /** Seconds; negative waits for ever, 0 kills at once, null for the container's own. */
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
}
