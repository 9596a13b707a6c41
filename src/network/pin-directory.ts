import { mkdirSync, realpathSync, rmdirSync } from 'node:fs';
import { isMountPoint, MNT_DETACH, MS_BIND, MS_PRIVATE, mount, umount } from '../linux/mount.ts';

/**
 * Makes the directory of the pins and returns its real path. Pins live on a mount of their own that is private: in a shared one (as
 * systemd makes /run) each would be copied to every mount namespace of the host, which costs time and keeps namespaces alive that were
 * let go of here.
 */
export function makePinDirectory(path: string): string {
  mkdirSync(path, { recursive: true, mode: 0o755 });
  // The kernel's list of mounts has no symbolic links in it (/var/run is one).
  const real = realpathSync(path);
  if (isMountPoint(real)) return real;
  mount(real, real, null, MS_BIND);
  mount('none', real, null, MS_PRIVATE);
  return real;
}

export function removePinDirectory(path: string): void {
  if (isMountPoint(path)) umount(path, MNT_DETACH);
  rmdirSync(path);
}
