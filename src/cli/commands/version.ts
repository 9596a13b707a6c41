import os from 'node:os';
import type { SystemVersion } from '../../api/schemas/system.ts';
import { API_VERSION, VERSION } from '../../api/version.ts';
import { defineCommand, noArgs, StatusError } from '../command.ts';
import { formatObject } from '../format/inspect.ts';
import { currentContextName } from '../host.ts';
import { objectFormatFlag } from './format-flag.ts';

/** Go spells the field APIVersion in templates and ApiVersion in JSON: the first answers templates without being printed. */
function withGoName<T extends { ApiVersion?: string }>(object: T): T {
  return Object.defineProperty(object, 'APIVersion', { value: object.ApiVersion, enumerable: false });
}

const row = (indent: string, name: string, value: string | undefined, width: number): string =>
  value ? `${indent}${`${name}:`.padEnd(width)}${value}\n` : '';

function clientText(client: ReturnType<typeof clientVersion>): string {
  return (
    'Client:\n' +
    row(' ', 'Version', client.Version, 19) +
    row(
      ' ',
      'API version',
      client.ApiVersion === API_VERSION ? API_VERSION : `${client.ApiVersion} (downgraded from ${API_VERSION})`,
      19,
    ) +
    row(' ', 'Node version', client.NodeVersion, 19) +
    row(' ', 'OS/Arch', `${client.Os}/${client.Arch}`, 19) +
    row(' ', 'Context', client.Context, 19)
  );
}

function clientVersion(context: string, apiVersion: string) {
  const arch = os.arch() === 'x64' ? 'amd64' : os.arch();
  return withGoName({
    Version: VERSION,
    ApiVersion: apiVersion,
    DefaultAPIVersion: API_VERSION,
    GitCommit: '',
    GoVersion: '',
    NodeVersion: process.version,
    Os: 'linux',
    Arch: arch,
    BuildTime: '',
    Context: context,
  });
}

function serverText(server: SystemVersion): string {
  let text = `\nServer:${server.Platform?.Name ? ` ${server.Platform.Name}` : ''}\n`;
  for (const component of server.Components ?? []) {
    text += ` ${component.Name}:\n${row('  ', 'Version', component.Version, 18)}`;
    const details = (component.Details ?? {}) as Record<string, string>;
    if (component.Name === 'Engine') {
      text += row('  ', 'API version', `${details.ApiVersion} (minimum version ${details.MinAPIVersion})`, 18);
      // A Gantry engine has both, the second one for clients that know no other.
      text += row(
        '  ',
        details.NodeVersion ? 'Node version' : 'Go version',
        details.NodeVersion || details.GoVersion,
        18,
      );
      text += row('  ', 'Git commit', details.GitCommit, 18);
      text += row('  ', 'Built', details.BuildTime, 18);
      text += row('  ', 'OS/Arch', `${details.Os}/${details.Arch}`, 18);
      text += row('  ', 'Kernel', details.KernelVersion, 18);
      text += row('  ', 'Experimental', details.Experimental, 18);
    } else text += row('  ', 'GitCommit', details.GitCommit, 18);
  }
  return text;
}

/** Docker's clients show when a component was built as Go's ANSI C format has it. */
function withBuildDate(version: SystemVersion): SystemVersion {
  const shown = (text: string | undefined): string | undefined => {
    const date = new Date(text ?? '');
    if (Number.isNaN(date.getTime())) return text;
    const [day, month, number, year] = date.toDateString().split(' ') as [string, string, string, string];
    return `${day} ${month} ${String(Number(number)).padStart(2)} ${date.toTimeString().slice(0, 8)} ${year}`;
  };
  const components = version.Components?.map((component) => {
    const details = component.Details as Record<string, string> | undefined;
    return details?.BuildTime
      ? { ...component, Details: { ...details, BuildTime: shown(details.BuildTime)! } }
      : component;
  });
  return { ...version, ...(components ? { Components: components } : {}) } as SystemVersion;
}

export const command = defineCommand({
  use: '[OPTIONS]',
  summary: 'Show the Gantry version information',
  args: noArgs,
  flags: { format: objectFormatFlag },
  async run(ctx) {
    let apiVersion = API_VERSION;
    let server: SystemVersion | null = null;
    let failure: unknown;
    try {
      const engine = await ctx.client();
      server = withGoName(withBuildDate(await engine.json<SystemVersion & { ApiVersion?: string }>('GET', '/version')));
      apiVersion = await engine.apiVersion();
    } catch (error) {
      failure = error;
    }
    const client = clientVersion(
      currentContextName(ctx.global, ctx.env, () => ctx.config()),
      apiVersion,
    );
    if (ctx.flags.format !== '')
      ctx.stdout.write(formatObject({ Client: client, Server: server }, ctx.flags.format, 'version'));
    else ctx.stdout.write(clientText(client) + (server === null ? '' : serverText(server)));
    if (failure !== undefined) throw failure instanceof Error ? failure : new StatusError(1, String(failure));
  },
});
