import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PluginState } from './network-plugin.ts';

export interface PluginCall {
  method: string;
  // biome-ignore lint/suspicious/noExplicitAny: bodies have many shapes
  body: any;
}

export interface RunningNetworkPlugin {
  /** Calls since the last time they were asked for. */
  calls(): PluginCall[];
  /** Their methods without the subsystem, activation left out. */
  methods(): string[];
  /** What the plugin has made and not taken away. */
  state(): PluginState;
  /** The host's ends of its endpoints. */
  ports(): string[];
  /** What it does wrong from now on, by method: see network-plugin.ts. None without an argument. */
  faults(faults?: Record<string, string | object>): void;
  kill(): Promise<void>;
  /** While it is dead: it keeps no addresses. */
  forgetAddresses(): void;
  /** Again on the same socket, with what it has made. */
  start(): Promise<void>;
  /** Ends it and takes away its bridge. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Starts network-plugin.ts with a bridge of its own and waits until it listens. `ipam`: what its IpamDriver.GetCapabilities answers. */
export async function startNetworkPlugin(
  socket: string,
  directory: string,
  bridge: string,
  ipam: object = {},
): Promise<RunningNetworkPlugin> {
  mkdirSync(directory, { recursive: true });
  const file = (name: string) => join(directory, name);
  writeFileSync(file('ipam.json'), JSON.stringify(ipam));
  execFileSync('ip', ['link', 'add', bridge, 'type', 'bridge']);
  execFileSync('ip', ['link', 'set', bridge, 'up']);
  const rule = ['FORWARD', '-i', bridge, '-o', bridge, '-j', 'ACCEPT'];
  const mustAccept = dropsForwarded();
  if (mustAccept) execFileSync('iptables', ['-w', '-I', ...rule]);
  let child: ChildProcess;
  let seen = 0;
  const plugin: RunningNetworkPlugin = {
    calls() {
      const lines = readFileSync(file('calls'), { encoding: 'utf8', flag: 'a+' }).split('\n').slice(0, -1);
      const fresh = lines.slice(seen).map((line) => JSON.parse(line) as PluginCall);
      seen = lines.length;
      return fresh;
    },
    methods() {
      const quiet = ['Activate', 'GetCapabilities', 'GetDefaultAddressSpaces'];
      return plugin.calls().flatMap(({ method }) => {
        const short = method.split('.')[1]!;
        return quiet.includes(short) ? [] : [short];
      });
    },
    state: () =>
      existsSync(file('state.json'))
        ? (JSON.parse(readFileSync(file('state.json'), 'utf8')) as PluginState)
        : { networks: {}, endpoints: {}, pools: {} },
    ports: () => {
      const links = execFileSync('ip', ['-o', 'link', 'show', 'master', bridge], { encoding: 'utf8' });
      return [...links.matchAll(/^\d+: ([^@:]+)/gm)].map(([, name]) => name!);
    },
    faults(faults = {}) {
      // At once: the plugin may be reading it.
      writeFileSync(file('faults.new'), JSON.stringify(faults));
      renameSync(file('faults.new'), file('faults.json'));
    },
    async kill() {
      if (child.exitCode === null && child.signalCode === null) {
        const exited = once(child, 'exit');
        child.kill('SIGKILL');
        await exited;
      }
      rmSync(socket, { force: true });
    },
    forgetAddresses: () => writeFileSync(file('state.json'), JSON.stringify({ ...plugin.state(), pools: {} })),
    async start() {
      child = spawn(process.execPath, [join(import.meta.dirname, 'network-plugin.ts'), socket, directory, bridge], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      await once(child.stdout!, 'data');
    },
    async [Symbol.asyncDispose]() {
      await plugin.kill();
      for (const port of plugin.ports()) execFileSync('ip', ['link', 'delete', port]);
      if (mustAccept) execFileSync('iptables', ['-w', '-D', ...rule]);
      execFileSync('ip', ['link', 'delete', bridge]);
      rmSync(directory, { recursive: true, force: true });
    },
  };
  await plugin.start();
  return plugin;
}

/** Whether the host drops even what goes from port to port of a bridge (a firewall's policy, and br_netfilter). */
function dropsForwarded(): boolean {
  const { stdout } = spawnSync('iptables', ['-w', '-S', 'FORWARD'], { encoding: 'utf8' });
  return stdout?.includes('-P FORWARD DROP') === true;
}
