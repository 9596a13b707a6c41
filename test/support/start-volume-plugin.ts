import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

export interface RunningPlugin {
  /** Calls that change something since the last time they were asked for: "Mount NAME ID". */
  calls(): string[];
  stop(): Promise<void>;
  /** Again on the same socket. */
  start(): Promise<void>;
}

/** Starts volume-plugin.ts and waits until it listens. */
export async function startVolumePlugin(socket: string, directory: string): Promise<RunningPlugin> {
  mkdirSync(directory, { recursive: true });
  let child: ChildProcess;
  let seen = 0;
  const plugin: RunningPlugin = {
    calls() {
      const lines = readFileSync(join(directory, '.calls'), { encoding: 'utf8', flag: 'a+' }).split('\n').slice(0, -1);
      const fresh = lines.slice(seen);
      seen = lines.length;
      return fresh;
    },
    async stop() {
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
      rmSync(socket, { force: true });
    },
    async start() {
      child = spawn(process.execPath, [join(import.meta.dirname, 'volume-plugin.ts'), socket, directory], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      await once(child.stdout!, 'data');
    },
  };
  await plugin.start();
  return plugin;
}
