import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { DEFAULT_CGROUP_PARENT } from '../engine/containers/container.ts';
import { Containers } from '../engine/containers/containers.ts';
import { FilesOfContainers } from '../engine/containers/files.ts';
import type { EngineContext } from '../engine/context.ts';
import { EventBus } from '../engine/events.ts';
import { Images } from '../engine/images/images.ts';
import { LogDrivers } from '../engine/logs/log-drivers.ts';
import { Attachments } from '../engine/networks/attachments.ts';
import { dnsSettings } from '../engine/networks/name-service.ts';
import { NetworkCatalog } from '../engine/networks/networks.ts';
import { PortPublisher } from '../engine/networks/port-publisher.ts';
import { StoredRemoteJournal } from '../engine/networks/remote-journal.ts';
import { StateStore } from '../engine/state-store.ts';
import { LocalContainerVolumes } from '../engine/volumes/container-volumes.ts';
import { MountStaging } from '../engine/volumes/mount-staging.ts';
import { Volumes } from '../engine/volumes/volumes.ts';
import { detectCgroups, removeEmptyCgroup } from '../linux/cgroup.ts';
import { NameTable } from '../network/dns/names.ts';
import { DnsObserver } from '../network/dns/observer.ts';
import { EmbeddedDns } from '../network/dns/server.ts';
import { LocalNetworks } from '../network/local-networks.ts';
import { PublishedPorts } from '../network/ports/published-ports.ts';
import { Plugins } from '../plugins/plugins.ts';
import { CgroupControl } from '../runtime/cgroup-control.ts';
import { ShimMonitors } from '../runtime/monitors.ts';
import { OciRuntimeProgram } from '../runtime/oci-runtime.ts';
import { readHostFacts } from '../runtime/spec/host-facts.ts';
import { openStorage } from '../storage/storage.ts';
import type { DaemonConfig } from './config/daemon-config.ts';
import type { Route } from './contract.ts';
import { engineSettings } from './engine-settings.ts';
import type { DaemonLog } from './logger.ts';
import { PRODUCT } from './product.ts';
import { allRoutes } from './routes/all.ts';

export interface Engine {
  context: EngineContext;
  routes: Route[];
  /** Seconds that the running containers' stop timeouts allow at most; null when one has no limit. */
  longestStop(): number | null;
  /** Lets the host's resources go; containers run on unless the settings say otherwise. */
  close(): Promise<void>;
}

/** Builds the engine from its rooms, bottom up, and puts in order what an earlier daemon left. */
export async function composeEngine(config: DaemonConfig, log: DaemonLog): Promise<Engine> {
  const store = new StateStore(join(config.string('data-root'), 'state.db'), log);
  const settings = engineSettings(config, engineId(store));
  const { dataRoot, execRoot, dns, dnsSearch, dnsOptions } = settings;
  const events = new EventBus();
  const cgroups = detectCgroups();
  const storage = openStorage(dataRoot);
  const plugins = new Plugins();
  const networks = new LocalNetworks(settings.bridge, {
    execRoot,
    engineId: settings.engineId,
    bridgeless: settings.hostNetworking,
    dns: { dns, dnsSearch, dnsOptions },
    hostGatewayIps: settings.hostGatewayIps,
    remote: { plugins, journal: new StoredRemoteJournal(store), wayOut: () => catalog.wayOut() },
    log,
  });
  const context: EngineContext = {
    settings,
    store,
    events,
    storage,
    networks,
    monitors: new ShimMonitors({ shim: settings.shimPath, cgroups }),
    runtimes: new Map([...settings.runtimes].map(([name, binary]) => [name, new OciRuntimeProgram(binary)])),
    log,
  };
  const hostFacts = readHostFacts();
  const volumes = new Volumes({ dataRoot, store, events, plugins });
  const staging = new MountStaging(join(execRoot, 'staged-mounts'), storage.layers);
  const images = new Images(context, { containers: () => containers.records() });
  const logDrivers = new LogDrivers(settings);
  const table = `gantry_ports_${settings.bridge?.bridgeName ?? settings.engineId.slice(0, 8)}`;
  const { enableIptables, enableIp6tables = enableIptables, userlandProxy } = settings.hostNetworking;
  const ports = new PublishedPorts({ table, iptables: enableIptables, ip6tables: enableIp6tables, userlandProxy }, log);
  const publisher = new PortPublisher(ports, networks, (id) => containers.resolve(id).record);
  const containers = new Containers(context, {
    images,
    ports: publisher,
    volumes: new LocalContainerVolumes({ volumes, storage, events, dataRoot, staging, kernel: hostFacts.kernel }),
    logDrivers,
    hostFacts,
    cgroups: new CgroupControl(cgroups),
  });
  const catalog = new NetworkCatalog(context, () => containers.records());
  const names = new NameTable();
  const nameServer = new EmbeddedDns(names, log);
  networks.observe(new DnsObserver(nameServer, names, (id) => dnsSettings(networks, containers.resolve(id).record)));
  networks.observe(publisher);
  // Storage and networks as well: which of them live depends on the containers that do.
  await containers.restore();
  await images.recover();
  return {
    context,
    routes: allRoutes({
      containers,
      files: new FilesOfContainers(storage, volumes, staging),
      images,
      volumes,
      networks: catalog,
      attachments: new Attachments(context, containers),
      events,
      system: {
        context,
        host: hostFacts,
        containers,
        images,
        volumes,
        logDrivers: logDrivers.names(),
        product: PRODUCT,
      },
    }),
    longestStop: () => containers.longestStop(),
    async close() {
      await containers.shutdown({ stopContainers: settings.stopContainersOnShutdown });
      // With nothing left to serve, the host is given back as it was.
      const live = containers.records().some(({ state }) => state.pid > 0);
      nameServer.closeAll();
      await ports.close({ keepRules: live });
      await networks.close({ keepLive: live });
      if (!live) removeEmptyCgroup(cgroups, settings.cgroupParent || DEFAULT_CGROUP_PARENT);
      store.close();
    },
  };
}

/** This engine's ID, made at its first start. */
function engineId(store: StateStore): string {
  const key = 'engine-id';
  const row = store.all('SELECT value FROM setting WHERE key = ?', key)[0];
  if (row?.value !== undefined) return row.value;
  const id = randomUUID();
  store.run('the engine ID', 'INSERT INTO setting (key, value) VALUES (?, ?)', key, id);
  return id;
}
