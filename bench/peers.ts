import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Host } from './host.ts';
import { must, request, timeCommand } from './measure.ts';

export interface Peers {
  dir: string;
  gantrySocket: string;
  gantryHost: Host;
  /** null when dockerd is not installed. */
  dockerSocket: string | null;
  dockerHost: Host;
  podman: boolean;
  runtimes: string[];
  /** Bundle of a busybox that runs `true`, for the bare runtimes. */
  bundle: string;
  gantryPid: number;
  dockerPids: () => number[];
  stop(): Promise<void>;
}

export function installed(program: string): boolean {
  try {
    execFileSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

async function answering(socket: string, child: ChildProcess, name: string): Promise<void> {
  for (let tries = 0; tries < 300; tries++) {
    if (child.exitCode !== null) throw new Error(`${name} ended with ${child.exitCode}; see its log`);
    try {
      await request(socket, 'GET', '/_ping');
      return;
    } catch {
      await sleep(100);
    }
  }
  throw new Error(`${name} does not answer at ${socket}`);
}

function launch(command: string[], log: string): ChildProcess {
  return spawn('sh', ['-c', `exec "$0" "$@" >>${log} 2>&1`, ...command], { stdio: 'ignore', detached: true });
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await Promise.race([gone, sleep(20_000)]);
  if (child.exitCode === null) child.kill('SIGKILL');
}

/** Children of a process, and theirs; those called `without`, and what is below them, are left out. */
export function descendants(pid: number, without = ''): number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
    return children
      .filter((child) => readFileSync(`/proc/${child}/comm`, 'utf8').trim() !== without)
      .flatMap((child) => [child, ...descendants(child, without)]);
  } catch {
    return []; // gone meanwhile
  }
}

/** Podman raises limits to defaults of its own, which a host that withholds CAP_SYS_RESOURCE refuses: then it is left out. */
async function podmanWorks(rootfs: string): Promise<boolean> {
  if (!installed('podman')) return false;
  await timeCommand(['podman', 'import', rootfs, 'busybox:latest']);
  const tried = await timeCommand(['podman', 'run', '--rm', 'busybox', 'true']);
  if (tried.code !== 0) console.log(`podman is left out: ${tried.stderr.trim().split('\n').at(-1)}`);
  return tried.code === 0;
}

/** Starts every engine that is installed, each with roots of its own, and gives all of them the same busybox image. */
export async function startPeers(root: string, dir: string): Promise<Peers> {
  const started: ChildProcess[] = [];
  try {
    return await start(root, dir, started);
  } catch (error) {
    for (const child of started) await end(child);
    for (const engine of ['gantryd', 'dockerd']) await new Host(engine).remove();
    throw error;
  }
}

async function start(root: string, dir: string, started: ChildProcess[]): Promise<Peers> {
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  const rootfs = `${dir}/busybox.tar`;
  await must(['sh', '-c', `${root}/scripts/busybox-rootfs >${rootfs}`]);

  const gantryHost = new Host('gantryd');
  const dockerHost = new Host('dockerd');
  await gantryHost.make();

  const gantrySocket = `${dir}/gantry.sock`;
  const gantryd = launch(
    gantryHost.wrap([
      `${root}/bin/gantryd`,
      '--data-root',
      `${dir}/gantry`,
      '--exec-root',
      `${dir}/gantry-run`,
      '-H',
      `unix://${gantrySocket}`,
      '--bridge',
      'gantrybench',
      '--pidfile',
      `${dir}/gantryd.pid`,
      '--config-file',
      `${dir}/daemon.json`,
    ]),
    `${dir}/gantryd.log`,
  );
  started.push(gantryd);
  writeFileSync(`${dir}/daemon.json`, '{}');
  await answering(gantrySocket, gantryd, 'gantryd');
  await must([`${root}/bin/gantry`, '-H', `unix://${gantrySocket}`, 'import', rootfs, 'busybox:latest']);

  let dockerd: ChildProcess | null = null;
  const dockerSocket = `${dir}/docker.sock`;
  if (installed('dockerd')) {
    await dockerHost.make();
    dockerd = launch(
      dockerHost.wrap([
        'dockerd',
        '--data-root',
        `${dir}/docker`,
        '--exec-root',
        `${dir}/docker-run`,
        '-H',
        `unix://${dockerSocket}`,
        '--pidfile',
        `${dir}/dockerd.pid`,
        '--bip',
        '10.213.250.1/24',
        // Its own pools end after 31 networks.
        '--default-address-pool',
        'base=10.214.0.0/16,size=24',
        // Without it dockerd 20.10 publishes IPv6 ports by a process that copies.
        '--experimental',
        '--ip6tables',
      ]),
      `${dir}/dockerd.log`,
    );
    started.push(dockerd);
    await answering(dockerSocket, dockerd, 'dockerd');
    await must(['docker', '-H', `unix://${dockerSocket}`, 'import', rootfs, 'busybox:latest']);
  }
  const podman = await podmanWorks(rootfs);

  const bundle = `${dir}/bundle`;
  mkdirSync(`${bundle}/rootfs`, { recursive: true });
  await must(['tar', '-C', `${bundle}/rootfs`, '-xf', rootfs]);
  const runtimes = ['crun', 'runc'].filter(installed);
  await must(['sh', '-c', `cd ${bundle} && rm -f config.json && ${runtimes[0]} spec`]);
  const spec = JSON.parse(readFileSync(`${bundle}/config.json`, 'utf8'));
  spec.process.terminal = false;
  spec.process.args = ['/bin/true'];
  writeFileSync(`${bundle}/config.json`, JSON.stringify(spec));

  return {
    dir,
    gantrySocket,
    gantryHost,
    dockerHost,
    dockerSocket: dockerd === null ? null : dockerSocket,
    podman,
    runtimes,
    bundle,
    gantryPid: gantryd.pid!,
    dockerPids: () => (dockerd === null ? [] : [dockerd.pid!, ...descendants(dockerd.pid!)]),
    async stop() {
      // What a case that failed left running, or one that was interrupted and is still at it: the last start may come after a look.
      for (const socket of dockerd === null ? [gantrySocket] : [gantrySocket, dockerSocket]) {
        for (let looks = 0; looks < 5; looks++) {
          const containers: { Id: string }[] = JSON.parse(await request(socket, 'GET', '/containers/json?all=1'));
          if (containers.length === 0) break;
          const removals = containers.map(({ Id }) => request(socket, 'DELETE', `/containers/${Id}?force=1&v=1`));
          // The case may be removing it itself.
          await Promise.allSettled(removals);
        }
      }
      if (dockerd !== null) await end(dockerd);
      await end(gantryd);
      if (podman) await timeCommand(['podman', 'rmi', '-f', 'busybox:latest']);
      for (const mount of readFileSync('/proc/mounts', 'utf8').split('\n')) {
        const point = mount.split(' ')[1];
        if (point?.startsWith(`${dir}/`)) await timeCommand(['umount', '-l', point]);
      }
      await gantryHost.remove();
      await dockerHost.remove();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
