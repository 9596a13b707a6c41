import { existsSync, writeFileSync } from 'node:fs';
import { inNetworkNamespace } from '../src/linux/namespace.ts';
import { must, timeCommand } from './measure.ts';

/** Of every engine's host, as seen from outside: documentation addresses (RFC 5737, RFC 3849), which nobody has. */
export const HOST_ADDRESS = '192.0.2.1';
export const HOST_ADDRESS6 = '2001:db8::1';
const FAR_ADDRESS = '192.0.2.2';
const FAR_ADDRESS6 = '2001:db8::2';

/**
 * The network that one engine runs in: a network namespace, and another one, a foreign host, at the far end of a veth pair. Engines do
 * not see each other's rules, which every packet would otherwise pass, nor does the machine's own network see either of them.
 */
export class Host {
  readonly #name: string;

  /** @param engine names the namespaces */
  constructor(engine: string) {
    this.#name = `gantry-bench-${engine}`;
  }

  /** Path of the engine's namespace, and of the foreign host's. */
  get path(): string {
    return `/run/netns/${this.#name}`;
  }

  get farPath(): string {
    return `${this.path}-far`;
  }

  /** The command inside of it. Mounts and everything else stay the machine's. */
  wrap(command: readonly string[]): string[] {
    return ['nsenter', `--net=${this.path}`, ...command];
  }

  wrapFar(command: readonly string[]): string[] {
    return ['nsenter', `--net=${this.farPath}`, ...command];
  }

  /** Makes both, anew where a bench that was killed has left them. */
  async make(): Promise<void> {
    await this.remove();
    const near = this.#name;
    const far = `${near}-far`;
    for (const command of [
      `netns add ${near}`,
      `netns add ${far}`,
      `-n ${near} link set lo up`,
      `-n ${far} link set lo up`,
      `-n ${near} link add near type veth peer name far netns ${far}`,
      `-n ${near} address add ${HOST_ADDRESS}/24 dev near`,
      `-n ${near} address add ${HOST_ADDRESS6}/64 dev near nodad`,
      `-n ${far} address add ${FAR_ADDRESS}/24 dev far`,
      `-n ${far} address add ${FAR_ADDRESS6}/64 dev far nodad`,
      `-n ${near} link set near up`,
      `-n ${far} link set far up`,
    ]) {
      await must(['ip', ...command.split(' ')]);
    }
    // Where it is a module, its settings are there once it is loaded; where it is built in, there is nothing to load.
    await timeCommand(['sh', '-c', 'modprobe -q nf_conntrack']);
    inNetworkNamespace(this.path, () => {
      // What is tracked of connections that have ended must not fill the table while thousands are made.
      for (const state of ['close', 'time_wait']) {
        writeFileSync(`/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_${state}`, '1');
      }
    });
  }

  /** The kernel ends what is in them with the last process. */
  async remove(): Promise<void> {
    for (const path of [this.farPath, this.path]) {
      if (existsSync(path)) await timeCommand(['ip', 'netns', 'delete', path.slice('/run/netns/'.length)]);
    }
  }
}
