import type { ContainerConfig } from '../../api/schemas/container.ts';
import type { HostConfig } from '../../api/schemas/host-config.ts';
import type { HostFacts } from './host-facts.ts';
import type { OciMount, OciUser } from './types.ts';

/** A mount as the volume code resolved it, ready for the runtime; `type` is bind or tmpfs. */
export interface ResolvedMount extends OciMount {
  /** bind: what the container may do with later mounts below it. */
  propagation?: string;
}

/** Everything a spec is made of. buildSpec reads nothing else, so that the same input always gives the same spec. */
export interface SpecInput {
  id: string;
  /** Without the leading slash. */
  name: string;
  /** Command as run, after the entrypoint and command rules. */
  path: string;
  args: string[];
  config: ContainerConfig;
  hostConfig: HostConfig;
  rootfs: string;
  /** From lookupUser() on the root file system. */
  user: OciUser;
  /** Binds, volumes and tmpfs of the user, in any order. */
  mounts: ResolvedMount[];
  /** Files made for this container, bound over those of the image; null for one the container goes without. */
  files: { hosts: string | null; hostname: string | null; resolvConf: string | null };
  /** Path of the network namespace; 'host'; or null for a fresh one with nothing but a loopback that is down. */
  netns: string | 'host' | null;
  /** Process IDs of the containers whose namespaces are joined (--pid=container:X and so on). */
  joined: { pid?: number; ipc?: number };
  /** Host directory bound at /dev/shm: of a shareable container, or of the one whose IPC namespace is joined. */
  shmPath: string | null;
  cgroupsPath: string;
  consoleSize: { rows: number; columns: number } | null;
  daemon: {
    /** '' or 'builtin' for the built-in profile, 'unconfined', or a profile's JSON text. */
    seccompProfile: string;
    noNewPrivileges: boolean;
    defaultUlimits: { Name: string; Soft: number; Hard: number }[];
    init: boolean;
    /** Host path of the init binary. */
    initPath: string;
    /** Name of the AppArmor profile of containers that name none. */
    appArmorProfile: string;
  };
  host: HostFacts;
}
