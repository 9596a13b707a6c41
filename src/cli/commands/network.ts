import { ApiError } from '../../api/client/errors.ts';
import type { EndpointSettings } from '../../api/schemas/container.ts';
import type { Network, NetworkCreateRequest, NetworkCreateResponse } from '../../api/schemas/network.ts';
import { atLeast, bool, defineCommand, exactly, int, list, noArgs, StatusError, string } from '../command.ts';
import { toMap } from '../container/key-values.ts';
import { formatRows, type Listing } from '../format/rows.ts';
import { goTimeOf, labelList, shortId } from '../listings/text.ts';
import { filterFlag, filterQuery } from './filter-flag.ts';
import { listFormatFlag } from './format-flag.ts';
import { ipamConfig } from './network-ipam.ts';

const LISTING: Listing = {
  headers: {
    ID: 'NETWORK ID',
    Name: 'NAME',
    Driver: 'DRIVER',
    Scope: 'SCOPE',
    IPv4: 'IPV4',
    IPv6: 'IPV6',
    Internal: 'INTERNAL',
    Labels: 'LABELS',
    CreatedAt: 'CREATED AT',
  },
  table: 'table {{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}',
  quiet: 'ID',
  type: '*network.networkContext',
  raw: {
    lines: 'network_id: {{.ID}}\nname: {{.Name}}\ndriver: {{.Driver}}\nscope: {{.Scope}}\n',
    quiet: 'network_id: {{.ID}}',
  },
};

export const ls = defineCommand({
  use: '[OPTIONS]',
  summary: 'List networks',
  args: noArgs,
  flags: {
    filter: filterFlag("Provide filter values (e.g. 'driver=bridge')"),
    format: listFormatFlag,
    'no-trunc': bool('', 'Do not truncate the output'),
    quiet: bool('q', 'Only display network IDs'),
  },
  async run(ctx) {
    const { flags } = ctx;
    const networks = await (await ctx.client()).json<Network[]>('GET', '/networks', {
      query: { filters: filterQuery(flags.filter) },
    });
    const rows = networks
      .sort((a, b) => ((a.Name ?? '') < (b.Name ?? '') ? -1 : 1))
      .map((network) => ({
        ID: flags['no-trunc'] ? network.Id : shortId(network.Id ?? ''),
        Name: network.Name,
        Driver: network.Driver,
        Scope: network.Scope,
        IPv4: String(network.EnableIPv4 ?? false),
        IPv6: String(network.EnableIPv6 ?? false),
        Internal: String(network.Internal ?? false),
        Labels: labelList(network.Labels),
        Label: (key: unknown) => network.Labels?.[String(key)] ?? '',
        CreatedAt: goTimeOf(network.Created ?? ''),
      }));
    const format = flags.format === '' && !flags.quiet ? (ctx.config().networksFormat ?? '') : flags.format;
    ctx.stdout.write(formatRows(LISTING, rows, { format, quiet: flags.quiet }));
  },
});

export const create = defineCommand({
  use: '[OPTIONS] NETWORK',
  summary: 'Create a network',
  args: exactly(1),
  flags: {
    attachable: bool('', 'Enable manual container attachment'),
    'aux-address': list('', 'Auxiliary IPv4 or IPv6 addresses used by Network driver', undefined, {
      type: 'map',
      showDefault: 'map[]',
    }),
    'config-from': string('', 'The network from which to copy the configuration'),
    'config-only': bool('', 'Create a configuration only network'),
    driver: string('d', 'Driver to manage the Network', 'bridge'),
    gateway: list('', 'IPv4 or IPv6 Gateway for the master subnet', undefined, { type: 'strings' }),
    ingress: bool('', 'Create swarm routing-mesh network'),
    internal: bool('', 'Restrict external access to the network'),
    'ip-range': list('', 'Allocate container ip from a sub-range', undefined, { type: 'strings' }),
    'ipam-driver': string('', 'IP Address Management Driver', 'default'),
    'ipam-opt': list('', 'Set IPAM driver specific options', undefined, { type: 'map', showDefault: 'map[]' }),
    ipv4: bool('', 'Enable or disable IPv4 address assignment', true),
    ipv6: bool('', 'Enable or disable IPv6 address assignment'),
    label: list('', 'Set metadata on a network'),
    opt: list('o', 'Set driver specific options', undefined, { type: 'map', showDefault: 'map[]' }),
    scope: string('', "Control the network's scope"),
    subnet: list('', 'Subnet in CIDR format that represents a network segment', undefined, { type: 'strings' }),
  },
  async run(ctx) {
    const { flags, changed } = ctx;
    const commas = (words: readonly string[]) => words.flatMap((word) => word.split(','));
    const config = ipamConfig({
      subnets: commas(flags.subnet),
      ranges: commas(flags['ip-range']),
      gateways: commas(flags.gateway),
      aux: toMap(flags['aux-address']),
    });
    const body: NetworkCreateRequest = {
      Name: ctx.args[0]!,
      Driver: flags.driver,
      Options: toMap(flags.opt),
      IPAM: { Driver: flags['ipam-driver'], Options: toMap(flags['ipam-opt']), Config: config },
      Internal: flags.internal,
      Attachable: flags.attachable,
      Ingress: flags.ingress,
      Scope: flags.scope,
      ConfigOnly: flags['config-only'],
      Labels: toMap(flags.label),
      ...(flags['config-from'] === '' ? {} : { ConfigFrom: { Network: flags['config-from'] } }),
      ...(changed.has('ipv4') ? { EnableIPv4: flags.ipv4 } : {}),
      ...(changed.has('ipv6') ? { EnableIPv6: flags.ipv6 } : {}),
    };
    const answer = await (await ctx.client()).json<NetworkCreateResponse>('POST', '/networks/create', { json: body });
    if (answer.Warning) ctx.stderr.write(`WARNING: ${answer.Warning}\n`);
    ctx.stdout.write(`${answer.Id}\n`);
  },
});

export const connect = defineCommand({
  use: '[OPTIONS] NETWORK CONTAINER',
  summary: 'Connect a container to a network',
  args: exactly(2),
  complete: { kind: 'network' },
  flags: {
    alias: list('', 'Add network-scoped alias for the container', undefined, { type: 'strings' }),
    'driver-opt': list('', 'driver options for the network', undefined, { type: 'strings' }),
    'gw-priority': int('', 'Highest gw-priority provides the default gateway. Accepts positive and negative values.'),
    ip: string('', 'IPv4 address (e.g., "172.30.100.104")'),
    ip6: string('', 'IPv6 address (e.g., "2001:db8::33")'),
    link: list('', 'Add link to another container'),
    'link-local-ip': list('', 'Add a link-local address for the container', undefined, { type: 'strings' }),
  },
  async run(ctx) {
    const { flags } = ctx;
    const [network, container] = ctx.args;
    const wrong = flags['driver-opt'].find((option) => !/^[^=]+=/.test(option));
    if (wrong !== undefined) throw new Error('invalid key/value pair format in driver options');
    const settings: EndpointSettings = {
      IPAMConfig: { IPv4Address: flags.ip, IPv6Address: flags.ip6, LinkLocalIPs: flags['link-local-ip'] },
      Links: flags.link,
      Aliases: flags.alias,
      DriverOpts: toMap(flags['driver-opt']),
      GwPriority: flags['gw-priority'],
    };
    await (await ctx.client()).send('POST', `/networks/${encodeURIComponent(network!)}/connect`, {
      json: { Container: container, EndpointConfig: settings },
    });
  },
});

export const disconnect = defineCommand({
  use: '[OPTIONS] NETWORK CONTAINER',
  summary: 'Disconnect a container from a network',
  args: exactly(2),
  complete: { kind: 'network' },
  flags: { force: bool('f', 'Force the container to disconnect from a network') },
  async run(ctx) {
    const [network, container] = ctx.args;
    await (await ctx.client()).send('POST', `/networks/${encodeURIComponent(network!)}/disconnect`, {
      json: { Container: container, Force: ctx.flags.force },
    });
  },
});

export const rm = defineCommand({
  use: 'NETWORK [NETWORK...]',
  summary: 'Remove one or more networks',
  args: atLeast(1),
  complete: { kind: 'network', repeat: true },
  flags: { force: bool('f', 'Do not error if the network does not exist') },
  async run(ctx) {
    const client = await ctx.client();
    let failed = false;
    for (const name of ctx.args) {
      try {
        await client.send('DELETE', `/networks/${encodeURIComponent(name)}`);
        ctx.stdout.write(`${name}\n`);
      } catch (error) {
        if (ctx.flags.force && error instanceof ApiError && error.status === 404) continue;
        ctx.stderr.write(`${(error as Error).message}\n`);
        failed = true;
      }
    }
    if (failed) throw new StatusError(1, '');
  },
});
