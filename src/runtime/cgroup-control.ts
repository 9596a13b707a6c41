import {
  type Cgroups,
  cgroupPids,
  clearCgroup,
  isFrozen,
  liftLimits,
  setFrozen,
  warmCgroups,
} from '../linux/cgroup.ts';
import { type CgroupStats, readCgroupStats } from './stats.ts';

/** What the engine reads and writes of containers' cgroups; paths as in the runtime spec's linux.cgroupsPath. */
export class CgroupControl {
  readonly #cgroups: Cgroups;
  #warming = false;

  constructor(cgroups: Cgroups) {
    this.#cgroups = cgroups;
  }

  /** Wakes the kernel's cgroup machinery (see warmCgroups); does not wait and never throws. */
  warm(): void {
    if (this.#warming) return;
    this.#warming = true;
    void warmCgroups(this.#cgroups).finally(() => {
      this.#warming = false;
    });
  }

  freeze(path: string): Promise<void> {
    return setFrozen(this.#cgroups, path, true);
  }

  thaw(path: string): Promise<void> {
    return setFrozen(this.#cgroups, path, false);
  }

  async clear(path: string): Promise<void> {
    await clearCgroup(this.#cgroups, path);
  }

  frozen(path: string): boolean {
    return isFrozen(this.#cgroups, path);
  }

  lift(path: string, lifted: { swap: boolean; cpuQuota: boolean; pids: boolean }): void {
    liftLimits(this.#cgroups, path, lifted);
  }

  pids(path: string): number[] {
    return cgroupPids(this.#cgroups, path);
  }

  stats(path: string): CgroupStats {
    return readCgroupStats(this.#cgroups, path);
  }
}
