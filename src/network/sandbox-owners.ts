import { mkdirSync, readdirSync, readlinkSync, rmdirSync, symlinkSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf } from '../api/errors.ts';

/**
 * Which container has which sandbox, as symbolic links (container ID -> sandbox ID) beside the pins: written in one step of some
 * microseconds, there after the daemon was killed, gone after a reboot as the pins are.
 */
export class SandboxOwners {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  }

  all(): Map<string, string> {
    return new Map(
      readdirSync(this.#directory).map((containerId) => [
        containerId,
        readlinkSync(join(this.#directory, containerId)),
      ]),
    );
  }

  set(containerId: string, sandboxId: string): void {
    symlinkSync(sandboxId, join(this.#directory, containerId));
  }

  remove(containerId: string): void {
    try {
      unlinkSync(join(this.#directory, containerId));
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error;
    }
  }

  /** Removes the directory, which must be empty. */
  close(): void {
    rmdirSync(this.#directory);
  }
}
