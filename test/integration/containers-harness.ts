import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  createReadStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { EventMessage } from '../../src/api/schemas/system.ts';
import { ApiServer } from '../../src/daemon/http/server.ts';
import { containerRoutes } from '../../src/daemon/routes/containers.ts';
import { execRoutes } from '../../src/daemon/routes/exec.ts';
import { Containers } from '../../src/engine/containers/containers.ts';
import type { EngineContext } from '../../src/engine/context.ts';
import { EventBus } from '../../src/engine/events.ts';
import { Images } from '../../src/engine/images/images.ts';
import { LogDrivers } from '../../src/engine/logs/log-drivers.ts';
import type { EngineSettings } from '../../src/engine/settings.ts';
import { StateStore } from '../../src/engine/state-store.ts';
import { LocalContainerVolumes } from '../../src/engine/volumes/container-volumes.ts';
import { MountStaging } from '../../src/engine/volumes/mount-staging.ts';
import { Volumes } from '../../src/engine/volumes/volumes.ts';
import { detectCgroups } from '../../src/linux/cgroup.ts';
import { LocalNetworks } from '../../src/network/local-networks.ts';
import { CgroupControl } from '../../src/runtime/cgroup-control.ts';
import { ShimMonitors } from '../../src/runtime/monitors.ts';
import { OciRuntimeProgram } from '../../src/runtime/oci-runtime.ts';
import { readHostFacts } from '../../src/runtime/spec/host-facts.ts';
import { openStorage } from '../../src/storage/storage.ts';
import { bridgeOptions } from '../support/network-requests.ts';

const SHIM = resolve(import.meta.dirname, '../../shim/build/gantry-shim');

/** Why these tests cannot run here; null when they can. */
export const UNABLE =
  process.getuid?.() !== 0
    ? 'needs root'
    : !existsSync(SHIM)
      ? 'the shim is not built'
      : !existsSync('/usr/bin/busybox')
        ? 'needs busybox-static'
        : null;

export interface TestEngine {
  root: string;
  context: EngineContext;
  containers: Containers;
  images: Images;
  socket: string;
  events: EventMessage[];
  /** Removes all containers and everything on the host. */
  destroy(): Promise<void>;
}

/** A whole engine on roots and a bridge of its own, with an image `busybox`, and the container API on a socket. */
export async function startEngine(): Promise<TestEngine> {
  const root = mkdtempSync(join(tmpdir(), 'gc-'));
  const bridgeName = `gt${randomBytes(3).toString('hex')}`;
  return openEngine(root, bridgeName);
}

/** The same on given roots, which may hold what an earlier engine left. */
export async function openEngine(root: string, bridgeName: string): Promise<TestEngine> {
  const dataRoot = join(root, 'data');
  const execRoot = join(root, 'exec');
  for (const path of [dataRoot, execRoot]) mkdirSync(path, { recursive: true });
  const settings = testSettings(dataRoot, execRoot, bridgeName);
  const log = { debug() {}, info() {}, warn: report, error: report };
  const events = new EventBus();
  const seen: EventMessage[] = [];
  events.subscribe((event) => seen.push(event));
  const store = new StateStore(join(dataRoot, 'state.db'));
  const storage = openStorage(dataRoot);
  const networks = new LocalNetworks(settings.bridge, {
    execRoot,
    engineId: 'test',
    dns: { dns: [], dnsSearch: [], dnsOptions: [] },
    hostGatewayIps: [],
    log,
  });
  const cgroups = detectCgroups();
  const context: EngineContext = {
    settings,
    store,
    events,
    storage,
    networks,
    monitors: new ShimMonitors({ shim: SHIM, cgroups }),
    runtimes: new Map([...settings.runtimes].map(([name, binary]) => [name, new OciRuntimeProgram(binary)])),
    log,
  };
  const hostFacts = readHostFacts();
  const images = new Images(context, { containers: () => containers.records() });
  const volumes = new Volumes({ dataRoot, store, events });
  const staging = new MountStaging(join(execRoot, 'staged-mounts'), storage.layers);
  const containers = new Containers(context, {
    images,
    // No ports are published here: test/integration/publish.test.ts.
    ports: { change: () => () => {} },
    volumes: new LocalContainerVolumes({ volumes, storage, events, dataRoot, staging, kernel: hostFacts.kernel }),
    logDrivers: new LogDrivers(settings),
    hostFacts,
    cgroups: new CgroupControl(cgroups),
  });
  await containers.restore();
  if (images.all().length === 0) await importBusybox(images, root);
  const server = new ApiServer({
    routes: [...containerRoutes(containers), ...execRoutes(containers)],
    log,
    version: 'test',
    onActivity() {},
  });
  const http = server.createServer(null);
  const socket = join(root, 'api.sock');
  rmSync(socket, { force: true });
  await new Promise<void>((done) => http.listen(socket, done));
  const close = async () => {
    await server.close(0);
    await containers.shutdown({ stopContainers: false });
  };
  return {
    root,
    context,
    containers,
    images,
    socket,
    events: seen,
    async destroy() {
      for (const container of containers.all()) {
        await containers.remove(container, { force: true, volumes: true, link: false });
      }
      await close();
      await networks.close({ keepLive: false });
      store.close();
      rmSync(root, { recursive: true, force: true });
    },
  };

  function report(message: string, fields?: Record<string, unknown>): void {
    process.stderr.write(`# ${message} ${JSON.stringify(fields ?? {})}\n`);
  }
}

function testSettings(dataRoot: string, execRoot: string, bridgeName: string): EngineSettings {
  const runtimes = new Map(
    ['crun', 'runc'].map((name) => [name, { name, path: execFileSync('which', [name]).toString().trim(), args: [] }]),
  );
  // The same each time for the same bridge: running containers keep their addresses.
  const octet = Number.parseInt(bridgeName.slice(-2), 16);
  return {
    dataRoot,
    execRoot,
    engineId: 'test',
    debug: false,
    labels: [],
    runtimes,
    defaultRuntime: 'crun',
    defaultUlimits: [],
    defaultShmSize: 64 * 1024 * 1024,
    defaultIpcMode: 'private',
    defaultCgroupnsMode: '',
    init: false,
    initPath: '',
    logDriver: 'json-file',
    logOpts: {},
    cgroupParent: '',
    seccompProfile: '',
    seccompProfileName: 'builtin',
    noNewPrivileges: false,
    bridge: bridgeOptions(bridgeName, { bip: `10.213.${octet}.1/24` }),
    hostNetworking: { pools: [], enableIptables: true, enableIpForward: true, userlandProxy: true },
    dns: [],
    dnsSearch: [],
    dnsOptions: [],
    hostGatewayIps: [],
    shutdownTimeout: 15,
    stopContainersOnShutdown: false,
    insecureRegistries: [],
    registryMirrors: [],
    httpProxy: '',
    httpsProxy: '',
    openAddresses: [],
    noProxy: '',
    shimPath: SHIM,
  };
}

async function importBusybox(images: Images, root: string): Promise<void> {
  const tree = join(root, 'busybox');
  for (const directory of ['bin', 'etc', 'tmp', 'root', 'proc', 'sys', 'dev']) {
    mkdirSync(join(tree, directory), { recursive: true });
  }
  copyFileSync('/usr/bin/busybox', join(tree, 'bin/busybox'));
  chmodSync(join(tree, 'bin/busybox'), 0o755);
  for (const name of execFileSync('/usr/bin/busybox', ['--list']).toString().trim().split('\n')) {
    if (name !== 'busybox') symlinkSync('busybox', join(tree, 'bin', name));
  }
  writeFileSync(join(tree, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n');
  writeFileSync(join(tree, 'etc/group'), 'root:x:0:\nnogroup:x:65534:\n');
  const tar = join(root, 'busybox.tar');
  execFileSync('tar', ['-C', tree, '-cf', tar, '.']);
  await images.import(createReadStream(tar), {
    repo: 'busybox',
    tag: 'latest',
    message: '',
    changes: ['CMD ["sh"]', 'ENV PATH=/bin'],
    platform: '',
    signal: new AbortController().signal,
    onProgress() {},
  });
  rmSync(tar);
  rmSync(tree, { recursive: true });
}
