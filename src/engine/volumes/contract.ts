/**
 * A volume driver makes directories of the host in which volumes keep their data: `local`, and one for each volume plugin.
 *
 * A volume's life: create, then any number of times mount and unmount, then remove. Each user (a container, a backup) mounts and
 * unmounts for itself, under an ID of its own; the content must be there between the first mount and the last unmount and may be
 * elsewhere at other times. The engine counts who refers to a volume and never removes one that is referred to; calls that concern one
 * volume never overlap. The IDs of users stay the same when the daemon is killed and comes back.
 *
 * test/integration/volume-drivers.test.ts runs the same tests over every driver.
 */
export interface VolumeDriver {
  readonly name: string;
  /** Whether other hosts that have this driver see the same volumes. */
  scope(): Promise<'local' | 'global'>;
  /** Throws invalid_parameter for options it does not take; nothing stays behind then. */
  create(name: string, options: Readonly<Record<string, string>>): Promise<void>;
  /** With its content. */
  remove(name: string): Promise<void>;
  /** What the driver knows of it; null when it has no such volume. */
  get(name: string): Promise<DriverVolume | null>;
  /** The volumes it has, made by this engine or not. */
  list(): Promise<(DriverVolume & { name: string })[]>;
  /** Makes the content available and returns its directory. Mounting again for the same user changes nothing. */
  mount(name: string, user: string): Promise<string>;
  /** Of a user that has mounted it. */
  unmount(name: string, user: string): Promise<void>;
}

export interface DriverVolume {
  /** Directory on the host; '' when that is known only while it is mounted. */
  mountpoint: string;
  /** What the driver says about it, for inspect; null for nothing. */
  status: Record<string, unknown> | null;
}
