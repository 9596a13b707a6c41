import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, readlinkSync, statSync } from 'node:fs';
import { GantryError } from '../../api/errors.ts';
import { type CreateDirectories, openInRoot, pathOfFd } from '../../linux/in-root.ts';

/** What shall be seen of a container that does not run: its volumes and binds at their places. */
export interface PlacedMount {
  /** On the host. */
  source: string;
  /** In the container. */
  destination: string;
}

/**
 * A mount namespace of its own in which a stopped container's root file system has its volumes mounted. A helper process holds it;
 * the host and its other processes see nothing of these mounts, and they go with the helper, whatever becomes of the daemon.
 */
export class MountedCopy {
  /** The root file system as the helper sees it. */
  readonly directory: string;
  readonly #helper: ChildProcess;

  private constructor(helper: ChildProcess, rootfs: string) {
    this.#helper = helper;
    this.directory = `/proc/${helper.pid}/root${rootfs}`;
  }

  /**
   * `rootfs` is mounted until close(). Directories to mount on are made where they are missing, as a start would: files are copied
   * into the volumes of containers that never ran. What still has no place is left out. Throws system.
   */
  static async open(rootfs: string, mounts: readonly PlacedMount[]): Promise<MountedCopy> {
    // Shorter paths first: /data before /data/cache. Places are looked for in the root file system alone; one that lies in another
    // mount is there already when that one has it.
    const ordered = [...mounts].sort((a, b) => a.destination.length - b.destination.length);
    const parameters = ordered.flatMap(({ source, destination }) => {
      const nested = ordered.some((other) => destination.startsWith(`${other.destination}/`));
      const make = !nested && statSync(source, { throwIfNoEntry: false })?.isDirectory() === true;
      const target = placeOf(rootfs, destination, make ? PLACE : null);
      return target === null ? [] : [source, target];
    });
    const script =
      'while [ $# -gt 1 ]; do [ ! -e "$2" ] || mount --no-canonicalize --rbind -- "$1" "$2" || exit 1; shift 2; done; echo ready; read -r end';
    const helper = spawn('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', script, 'sh', ...parameters], {
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    let complaint = '';
    helper.stderr!.on('data', (chunk: Buffer) => {
      complaint += chunk.toString();
    });
    helper.stdin!.on('error', () => {});
    try {
      await new Promise<void>((resolve, reject) => {
        helper.stdout!.once('data', () => resolve());
        helper.once('error', reject);
        helper.once('close', () => reject(new Error(complaint.trim() || 'the helper ended')));
      });
    } catch (cause) {
      helper.kill('SIGKILL');
      throw new GantryError('system', `cannot mount the volumes of a container: ${(cause as Error).message}`, {
        cause,
      });
    }
    return new MountedCopy(helper, rootfs);
  }

  /** The mounts go at once for what nobody has open. */
  close(): void {
    this.#helper.kill('SIGKILL');
  }
}

/** Directories that the runtime makes to mount on are the same. */
const PLACE: CreateDirectories = { uid: 0, gid: 0, mode: 0o755 };

/** Path on the host, all symlinks resolved, of what is at `destination` in a root directory; null when nothing is there. */
export function placeOf(rootfs: string, destination: string, create: CreateDirectories | null = null): string | null {
  let fd: number;
  try {
    fd = openInRoot(rootfs, destination, create);
  } catch {
    return null;
  }
  try {
    return readlinkSync(pathOfFd(fd));
  } finally {
    closeSync(fd);
  }
}
