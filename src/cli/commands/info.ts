import type { SystemInfo } from '../../api/schemas/system.ts';
import { bytesSize } from '../../api/units.ts';
import { VERSION } from '../../api/version.ts';
import { defineCommand, noArgs } from '../command.ts';
import { formatObject } from '../format/inspect.ts';
import { currentContextName } from '../host.ts';
import { objectFormatFlag } from './format-flag.ts';

type Lines = [indent: number, name: string, value: unknown][];

const boolean = (value: unknown): string => (value === true ? 'true' : 'false');

function storage(info: SystemInfo): Lines {
  const lines: Lines = [[1, 'Storage Driver', info.Driver]];
  for (const [name, value] of info.DriverStatus ?? []) lines.push([2, name!, value]);
  lines.push(
    [1, 'Logging Driver', info.LoggingDriver],
    [1, 'Cgroup Driver', info.CgroupDriver],
    [1, 'Cgroup Version', info.CgroupVersion],
  );
  lines.push([1, 'Plugins', '']);
  const list = (values: readonly string[] | null | undefined): string => (values ?? []).join(' ');
  lines.push(
    [2, 'Volume', list(info.Plugins?.Volume)],
    [2, 'Network', list(info.Plugins?.Network)],
    [2, 'Log', list(info.Plugins?.Log)],
  );
  return lines;
}

function security(info: SystemInfo): Lines {
  const options = info.SecurityOptions ?? [];
  if (options.length === 0) return [];
  const lines: Lines = [[1, 'Security Options', '']];
  for (const option of options) {
    const fields = Object.fromEntries(
      option.split(',').map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]),
    );
    lines.push([2, fields.name ?? option, null]);
    for (const [key, value] of Object.entries(fields))
      if (key !== 'name') lines.push([3, key === 'profile' ? 'Profile' : key, value]);
  }
  return lines;
}

function host(info: SystemInfo): Lines {
  return [
    [1, 'Kernel Version', info.KernelVersion],
    [1, 'Operating System', info.OperatingSystem],
    [1, 'OSType', info.OSType],
    [1, 'Architecture', info.Architecture],
    [1, 'CPUs', info.NCPU],
    [1, 'Total Memory', bytesSize(info.MemTotal ?? 0)],
    [1, 'Name', info.Name],
    [1, 'ID', info.ID],
    [1, 'Docker Root Dir', info.DockerRootDir],
    [1, 'Debug Mode', boolean(info.Debug)],
    ...((info.Debug
      ? [
          [2, 'File Descriptors', info.NFd],
          [2, 'Goroutines', info.NGoroutines],
          [2, 'System Time', info.SystemTime],
          [2, 'EventsListeners', info.NEventsListener],
        ]
      : []) as Lines),
    ...((info.HttpProxy ? [[1, 'HTTP Proxy', info.HttpProxy]] : []) as Lines),
    ...((info.HttpsProxy ? [[1, 'HTTPS Proxy', info.HttpsProxy]] : []) as Lines),
    ...((info.NoProxy ? [[1, 'No Proxy', info.NoProxy]] : []) as Lines),
  ];
}

function rest(info: SystemInfo): Lines {
  const lines: Lines = [];
  if ((info.Labels ?? []).length > 0) {
    lines.push([1, 'Labels', '']);
    for (const label of info.Labels ?? []) lines.push([2, label, null]);
  }
  lines.push([1, 'Experimental', boolean(info.ExperimentalBuild)]);
  const registries = info.RegistryConfig?.InsecureRegistryCIDRs ?? [];
  if (registries.length > 0) {
    lines.push([1, 'Insecure Registries', '']);
    for (const registry of registries) lines.push([2, registry, null]);
  }
  lines.push([1, 'Live Restore Enabled', boolean(info.LiveRestoreEnabled)]);
  if (info.ProductLicense) lines.push([1, 'Product License', info.ProductLicense]);
  const pools = info.DefaultAddressPools ?? [];
  if (pools.length > 0) {
    lines.push([1, 'Default Address Pools', '']);
    for (const pool of pools) lines.push([2, `Base: ${pool.Base}, Size: ${pool.Size}`, null]);
  }
  return lines;
}

const COMMITS = [
  ['containerd version', 'ContainerdCommit'],
  ['runc version', 'RuncCommit'],
  ['init version', 'InitCommit'],
] as const;

function serverText(info: SystemInfo): string {
  const lines: Lines = [
    [1, 'Containers', info.Containers],
    [2, 'Running', info.ContainersRunning],
    [2, 'Paused', info.ContainersPaused],
    [2, 'Stopped', info.ContainersStopped],
    [1, 'Images', info.Images],
    [1, 'Server Version', info.ServerVersion],
    ...storage(info),
    [1, 'Swarm', info.Swarm?.LocalNodeState],
    [1, 'Runtimes', Object.keys(info.Runtimes ?? {}).join(' ')],
    [1, 'Default Runtime', info.DefaultRuntime],
    [1, 'Init Binary', info.InitBinary],
    ...COMMITS.flatMap(([title, key]): Lines => (info[key] ? [[1, title, info[key].ID ?? '']] : [])),
    ...security(info),
    ...host(info),
    ...rest(info),
  ];
  return lines
    .map(
      ([indent, name, value]) =>
        `${' '.repeat(indent)}${name}${value === null ? '' : value === '' ? ':' : `: ${value ?? ''}`}\n`,
    )
    .join('');
}

export const command = defineCommand({
  use: '[OPTIONS]',
  summary: 'Display system-wide information',
  args: noArgs,
  flags: { format: objectFormatFlag },
  async run(ctx) {
    const { format } = ctx.flags;
    const ClientInfo = {
      Debug: ctx.global.debug,
      Version: VERSION,
      Context: currentContextName(ctx.global, ctx.env, () => ctx.config()),
      Plugins: [],
      Warnings: null,
    };
    let info: SystemInfo | null = null;
    let failure: unknown;
    try {
      info = await (await ctx.client()).json<SystemInfo>('GET', '/info');
    } catch (error) {
      failure = error;
    }
    if (format !== '') {
      const errors = failure === undefined ? {} : { ServerErrors: [(failure as Error).message] };
      ctx.stdout.write(formatObject({ ...(info ?? {}), ...errors, ClientInfo }, format));
      return failure === undefined ? 0 : 1;
    }
    ctx.stdout.write(
      `Client:\n Version:    ${VERSION}\n Context:    ${ClientInfo.Context}\n Debug Mode: ${boolean(ctx.global.debug)}\n\nServer:\n`,
    );
    if (failure !== undefined) throw failure;
    ctx.stdout.write(`${serverText(info!)}\n`);
    for (const warning of info!.Warnings ?? []) ctx.stderr.write(`${warning}\n`);
  },
});
