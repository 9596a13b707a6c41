/**
 * A network and IPAM plugin as a process of its own: `node network-plugin.ts SOCKET DIRECTORY BRIDGE`. Its networks share the bridge, its
 * endpoints are veth pairs on it. What it has made it keeps in DIRECTORY/state.json and every call in DIRECTORY/calls, so that it can be
 * killed and started again. DIRECTORY/faults.json says what it does wrong: a method's name and "refuse", "nonsense", "hang", "die" (before
 * it does anything), "die-after" (once it is done, without an answer), "complain" (of what it does nevertheless), "unknown" or an answer
 * of one's own.
 *
 * Driver options of its networks: prefix (of interfaces' names), gateway ("none" for no gateway in Join's answer), routes (JSON of
 * StaticRoutes), addresses (JSON of the Interface that CreateEndpoint answers), stand-alone (DisableGatewayService).
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';

const [socket = '', root = '', bridge = ''] = process.argv.slice(2);

interface Pool {
  subnet: string;
  addresses: string[];
}

export interface PluginState {
  networks: Record<string, { options: Record<string, string>; gateway: string }>;
  endpoints: Record<string, { network: string; joined: string; external: boolean }>;
  pools: Record<string, Pool>;
}

// biome-ignore lint/suspicious/noExplicitAny: bodies have many shapes
type Body = Record<string, any>;

const ip = (...args: string[]): void => {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'inherit'] });
};
const file = (name: string) => join(root, name);
const load = <T>(name: string, otherwise: T): T =>
  existsSync(file(name)) ? (JSON.parse(readFileSync(file(name), 'utf8')) as T) : otherwise;
const state = load<PluginState>('state.json', { networks: {}, endpoints: {}, pools: {} });

function save(): void {
  writeFileSync(file('state.json.new'), JSON.stringify(state));
  renameSync(file('state.json.new'), file('state.json'));
}

const [inside, outside] = [(id: string) => `gi${id.slice(0, 10)}`, (id: string) => `go${id.slice(0, 10)}`];
const found = <T>(table: Record<string, T>, id: string): T => {
  const it = table[id];
  if (it === undefined) throw new Error(`unknown: ${id}`);
  return it;
};

const methods: Record<string, (body: Body) => object> = {
  'Plugin.Activate': () => ({ Implements: ['NetworkDriver', 'IpamDriver'] }),
  'NetworkDriver.GetCapabilities': () => ({ Scope: 'local', ConnectivityScope: 'local' }),
  'NetworkDriver.CreateNetwork': ({ NetworkID, IPv4Data, Options }) => {
    const gateway = String(IPv4Data?.[0]?.Gateway ?? '');
    state.networks[NetworkID] = { options: Options?.['com.docker.network.generic'] ?? {}, gateway };
    if (gateway !== '') ip('addr', 'add', gateway, 'dev', bridge);
    return {};
  },
  'NetworkDriver.DeleteNetwork': ({ NetworkID }) => {
    const { gateway } = found(state.networks, NetworkID);
    if (gateway !== '') ip('addr', 'del', gateway, 'dev', bridge);
    delete state.networks[NetworkID];
    return {};
  },
  'NetworkDriver.CreateEndpoint': ({ NetworkID, EndpointID, Interface }) => {
    const { options } = found(state.networks, NetworkID);
    ip('link', 'add', outside(EndpointID), 'type', 'veth', 'peer', 'name', inside(EndpointID));
    ip('link', 'set', outside(EndpointID), 'master', bridge, 'up');
    if (Interface?.MacAddress) ip('link', 'set', inside(EndpointID), 'address', Interface.MacAddress);
    state.endpoints[EndpointID] = { network: NetworkID, joined: '', external: false };
    return options.addresses === undefined ? {} : { Interface: JSON.parse(options.addresses) };
  },
  'NetworkDriver.EndpointOperInfo': ({ EndpointID }) => ({ Value: { outside: outside(EndpointID) } }),
  'NetworkDriver.DeleteEndpoint': ({ EndpointID }) => {
    found(state.endpoints, EndpointID);
    // With its end in a sandbox that is gone it may have gone too.
    spawnSync('ip', ['link', 'del', outside(EndpointID)]);
    delete state.endpoints[EndpointID];
    return {};
  },
  'NetworkDriver.Join': ({ NetworkID, EndpointID, SandboxKey }) => {
    const { options, gateway } = found(state.networks, NetworkID);
    found(state.endpoints, EndpointID).joined = SandboxKey;
    const hop = options.gateway ?? gateway.split('/')[0]!;
    return {
      InterfaceName: { SrcName: inside(EndpointID), DstPrefix: options.prefix ?? 'eth' },
      ...(hop === '' || hop === 'none' ? {} : { Gateway: hop }),
      ...(options.routes === undefined ? {} : { StaticRoutes: JSON.parse(options.routes) }),
      ...(options['stand-alone'] === undefined ? {} : { DisableGatewayService: true }),
    };
  },
  'NetworkDriver.Leave': ({ EndpointID }) => {
    found(state.endpoints, EndpointID).joined = '';
    return {};
  },
  'NetworkDriver.ProgramExternalConnectivity': ({ EndpointID }) => {
    found(state.endpoints, EndpointID).external = true;
    return {};
  },
  'NetworkDriver.RevokeExternalConnectivity': ({ EndpointID }) => {
    found(state.endpoints, EndpointID).external = false;
    return {};
  },
  'IpamDriver.GetCapabilities': () => load('ipam.json', {}),
  'IpamDriver.GetDefaultAddressSpaces': () => ({
    LocalDefaultAddressSpace: 'here',
    GlobalDefaultAddressSpace: 'everywhere',
  }),
  'IpamDriver.RequestPool': ({ Pool: wanted, Options, V6 }) => {
    const subnet = wanted || (V6 ? 'fd77:1::/64' : (Options?.subnet ?? '10.213.247.0/24'));
    const PoolID = `here/${subnet}`;
    state.pools[PoolID] ??= { subnet, addresses: [] };
    return { PoolID, Pool: subnet, Data: {} };
  },
  'IpamDriver.ReleasePool': ({ PoolID }) => {
    found(state.pools, PoolID);
    delete state.pools[PoolID];
    return {};
  },
  'IpamDriver.RequestAddress': ({ PoolID, Address, Options }) => {
    const { subnet, addresses } = found(state.pools, PoolID);
    const [base = '', length] = subnet.split('/');
    const prefix = base.replace(/0$/, '');
    let number = Options?.RequestAddressType === 'com.docker.network.gateway' ? 1 : 100;
    while (addresses.includes(`${prefix}${number}`)) number++;
    const address = Address || `${prefix}${number}`;
    if (addresses.includes(address)) throw new Error(`${address} is taken`);
    addresses.push(address);
    return { Address: `${address}/${length}`, Data: {} };
  },
  'IpamDriver.ReleaseAddress': ({ PoolID, Address }) => {
    const pool = found(state.pools, PoolID);
    if (!pool.addresses.includes(Address)) throw new Error(`${Address} is nobody's`);
    pool.addresses = pool.addresses.filter((one) => one !== Address);
    return {};
  },
};

function perform(method: string, body: Body): object {
  try {
    const answer = methods[method]!(body);
    save();
    return answer;
  } catch (error) {
    return { Err: (error as Error).message };
  }
}

const server = createServer(async (request, response) => {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  const text = Buffer.concat(parts).toString();
  const method = (request.url ?? '').slice(1);
  const body = (text.trim() === '' ? {} : JSON.parse(text)) as Body;
  appendFileSync(file('calls'), `${JSON.stringify({ method, body })}\n`);
  const fault = load<Record<string, string | object>>('faults.json', {})[method];
  if (fault === 'die') process.exit(1);
  if (fault === 'hang') return;
  response.setHeader('Content-Type', 'application/vnd.docker.plugins.v1+json');
  if (fault === 'nonsense') return response.end('<html>');
  if (fault === 'refuse') return response.end(JSON.stringify({ Err: 'told to refuse' }));
  if (methods[method] === undefined || fault === 'unknown') {
    response.statusCode = 404;
    return response.end('404 page not found\n');
  }
  const answer = perform(method, body);
  if (fault === 'die-after') process.exit(1);
  if (fault === 'complain') return response.end(JSON.stringify({ Err: 'told to complain' }));
  return response.end(JSON.stringify(fault ?? answer));
});
rmSync(socket, { force: true });
server.listen(socket, () => process.stdout.write('ready\n'));
