import { closeSync, openSync, unlinkSync } from 'node:fs';
import { check, declare } from './libc.ts';
import { MNT_DETACH, MS_BIND, mount, umount } from './mount.ts';

const unshare = declare('int unshare(int flags)');
const setns = declare('int setns(int fd, int type)');

const CLONE_NEWNET = 0x40000000;
/** "thread-self", not "self": namespaces belong to the thread that calls, and only that one is moved. */
const OWN_NETWORK_NAMESPACE = '/proc/thread-self/ns/net';

/**
 * Makes a network namespace that outlives this process: bound to a file at `path`, which is created. `setUp` runs inside it. All of
 * it is synchronous, so that nothing else of the main thread ever runs in there.
 * @throws SystemCallError or what `setUp` threw; then nothing is left behind
 */
export function pinNetworkNamespace<T>(path: string, setUp: () => T): T {
  closeSync(openSync(path, 'wx', 0o444));
  try {
    return away((): T => {
      check(unshare(CLONE_NEWNET), 'unshare', 'CLONE_NEWNET');
      mount(OWN_NETWORK_NAMESPACE, path, null, MS_BIND);
      return setUp();
    });
  } catch (error) {
    unpinNamespace(path);
    throw error;
  }
}

/** Runs `work`, which must be synchronous, inside the network namespace that `path` names (a pin or /proc/<pid>/ns/net). */
export function inNetworkNamespace<T>(path: string, work: () => T): T {
  const target = openSync(path, 'r');
  try {
    return away((): T => {
      check(setns(target, CLONE_NEWNET), 'setns', path);
      return work();
    });
  } finally {
    closeSync(target);
  }
}

/** Unmounts and removes a pin; the kernel ends the namespace, and its interfaces, when no process is left in it. Never fails for a pin that is gone. */
export function unpinNamespace(path: string): void {
  try {
    umount(path, MNT_DETACH);
  } catch (error) {
    // EINVAL: the file is there, but nothing is mounted on it.
    if (!isError(error, 'EINVAL') && !isError(error, 'ENOENT')) throw error;
  }
  try {
    unlinkSync(path);
  } catch (error) {
    if (!isError(error, 'ENOENT')) throw error;
  }
}

/** Comes back to the present namespace whatever `work` does. */
function away<T>(work: () => T): T {
  const home = openSync(OWN_NETWORK_NAMESPACE, 'r');
  try {
    return work();
  } finally {
    // A daemon that stays in a container's namespace would give its sockets to that container: rather end here, containers live on.
    if (setns(home, CLONE_NEWNET) !== 0) process.abort();
    closeSync(home);
  }
}

function isError(error: unknown, code: string): boolean {
  return (error as { code?: unknown }).code === code;
}
