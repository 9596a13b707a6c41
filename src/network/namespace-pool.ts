import { randomBytes } from 'node:crypto';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf, messageOf } from '../api/errors.ts';
import { pinNetworkNamespace, unpinNamespace } from '../linux/namespace.ts';
import { RouteSocket } from '../linux/netlink/route.ts';
import type { NetworkLog } from './log.ts';

/** Enough for a burst of starts; each costs the kernel some 100 KB. */
const POOL_SIZE = 6;
/** After a start, the time until the pool makes up for it: the runtime's work comes first. */
const REFILL_DELAY_MS = 30;
const LOOPBACK_INDEX = 1;

/** A namespace nobody uses yet, its loopback up. Who takes it closes `routes` and `fd` when it is set up. */
export interface ReadyNamespace {
  sandboxId: string;
  path: string;
  fd: number;
  /** Speaks for the namespace, from outside. */
  routes: RouteSocket;
}

/** Namespaces made ahead of need. Taking one never waits: when the pool is empty it is made on the spot, 0.5 ms. */
export class NamespacePool {
  readonly #directory: string;
  readonly #log: NetworkLog;
  readonly #ready: ReadyNamespace[] = [];
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  /** @param directory where the namespaces are pinned */
  constructor(directory: string, log: NetworkLog) {
    this.#directory = directory;
    this.#log = log;
  }

  fill(): void {
    while (this.#ready.length < POOL_SIZE) this.#ready.push(makeNamespace(this.#directory));
  }

  take(): ReadyNamespace {
    this.#refillLater();
    return this.#ready.shift() ?? makeNamespace(this.#directory);
  }

  /** Removes the namespaces nobody took. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const namespace of this.#ready.splice(0)) {
      closeReady(namespace);
      unpinNamespace(namespace.path);
    }
  }

  #refillLater(): void {
    if (this.#timer !== undefined || this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      try {
        // One at a time, so that a request that arrives meanwhile waits for half a millisecond at most.
        if (this.#ready.length < POOL_SIZE) this.#ready.push(makeNamespace(this.#directory));
        if (this.#ready.length < POOL_SIZE) this.#refillLater();
      } catch (error) {
        // The next start makes its own and reports the failure to somebody who can act on it.
        this.#log.warn('cannot prepare a network namespace', { error: messageOf(error) });
      }
    }, REFILL_DELAY_MS);
    this.#timer.unref();
  }
}

export function closeReady(namespace: ReadyNamespace): void {
  namespace.routes.close();
  closeSync(namespace.fd);
}

function makeNamespace(directory: string): ReadyNamespace {
  const sandboxId = randomBytes(32).toString('hex');
  // The twelve letters by which dockerd, too, names its namespaces.
  const path = join(directory, sandboxId.slice(0, 12));
  const routes = pinNetworkNamespace(path, () => {
    // Networks without IPv6 have none in their containers either; loopback keeps ::1, which programs expect. Set here, as the
    // default for every interface to come, it costs nothing at start.
    writeSysctl('ipv6/conf/all/disable_ipv6', '1');
    writeSysctl('ipv6/conf/lo/disable_ipv6', '0');
    // An interface announces its address when it comes up: neighbours forget who had that address before.
    writeSysctl('ipv4/conf/default/arp_notify', '1');
    writeSysctl('ipv6/conf/default/ndisc_notify', '1');
    const socket = new RouteSocket();
    socket.setLink(LOOPBACK_INDEX, { up: true });
    return socket;
  });
  return { sandboxId, path, routes, fd: openSync(path, 'r') };
}

/** Sets a sysctl of the present namespace (they follow the thread that writes). Kernels without IPv6 lack some. */
function writeSysctl(name: string, value: string): void {
  try {
    writeFileSync(`/proc/sys/net/${name}`, value);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}
