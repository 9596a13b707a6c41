import { existsSync, readdirSync } from 'node:fs';
import {
  anyArgs,
  atLeast,
  bool,
  type Context,
  defineCommand,
  exactly,
  noArgs,
  StatusError,
  string,
} from '../command.ts';
import { readConfig, writeConfig } from '../config.ts';
import { type ContextMeta, contextDirectories, listContexts, readContext } from '../context-store.ts';
import { formatInspected } from '../format/inspect.ts';
import { formatRows, type Listing } from '../format/rows.ts';
import { currentContextName, defaultHost } from '../host.ts';
import { ellipsis } from '../listings/text.ts';
import {
  checkName,
  copyTls,
  type DockerEndpoint,
  parseDockerEndpoint,
  removeContext,
  writeContext,
  writeTls,
} from './context-edit.ts';
import { listFormatFlag, objectFormatFlag } from './format-flag.ts';

const current = (ctx: Context): string => currentContextName(ctx.global, ctx.env, () => ctx.config());

export const contextExists = (ctx: Context, name: string): boolean =>
  existsSync(`${contextDirectories(ctx.configDir, name).meta}/meta.json`);

const DEFAULT_DESCRIPTION = 'Current GANTRY_HOST based configuration';

function defaultMeta(ctx: Context): ContextMeta {
  return {
    Name: 'default',
    Metadata: {},
    Endpoints: { docker: { Host: defaultHost(ctx.global, ctx.env), SkipTLSVerify: false } },
  };
}

/** What describes a context, also the one that the environment makes. Throws when it is not there. */
export const readAnyContext = (ctx: Context, name: string): ContextMeta =>
  name === 'default' ? defaultMeta(ctx) : readContext(ctx.configDir, name);

const dockerFlag = string(
  '',
  'set the docker endpoint (host=..., ca=..., cert=..., key=..., skip-tls-verify=..., from=CONTEXT)',
  '',
  { type: 'stringToString' },
);

/** The endpoint of a new or changed context; `from` names the context it is copied from. */
function endpointOf(
  ctx: Context,
  endpoint: DockerEndpoint,
): { docker: NonNullable<ContextMeta['Endpoints']['docker']> } {
  const base = endpoint.from === undefined ? {} : (readAnyContext(ctx, endpoint.from).Endpoints.docker ?? {});
  return {
    docker: {
      Host: endpoint.host ?? base.Host ?? '',
      SkipTLSVerify:
        endpoint['skip-tls-verify'] === undefined
          ? (base.SkipTLSVerify ?? false)
          : ['1', 'true'].includes(endpoint['skip-tls-verify'].toLowerCase()),
    },
  };
}

export const create = defineCommand({
  use: '[OPTIONS] CONTEXT',
  summary: 'Create a context',
  args: exactly(1),
  flags: {
    description: string('', 'Description of the context'),
    docker: dockerFlag,
    from: string('', 'create context from a named context'),
  },
  async run(ctx) {
    const name = ctx.args[0]!;
    const { flags } = ctx;
    checkName(name);
    if (contextExists(ctx, name)) throw new StatusError(1, `context "${name}" already exists`);
    if (flags.from !== '' || (flags.docker === '' && flags.from === '')) {
      if (flags.docker !== '') throw new StatusError(1, 'cannot use --docker flag when --from is set');
      const source = flags.from === '' ? current(ctx) : flags.from;
      const meta = readAnyContext(ctx, source);
      writeContext(ctx.configDir, {
        ...meta,
        Name: name,
        Metadata: {
          ...meta.Metadata,
          Description: flags.description || (source === 'default' ? '' : meta.Metadata.Description),
        },
      });
      copyTls(ctx.configDir, source, name);
    } else {
      const endpoint = parseDockerEndpoint(flags.docker);
      writeContext(ctx.configDir, {
        Name: name,
        Metadata: { Description: flags.description },
        Endpoints: endpointOf(ctx, endpoint),
      });
      if (endpoint.from === undefined) writeTls(ctx.configDir, name, endpoint);
      else copyTls(ctx.configDir, endpoint.from, name);
    }
    ctx.stdout.write(`${name}\n`);
    ctx.stderr.write(`Successfully created context "${name}"\n`);
  },
});

export const update = defineCommand({
  use: '[OPTIONS] CONTEXT',
  summary: 'Update a context',
  args: exactly(1),
  complete: { kind: 'context' },
  flags: { description: string('', 'Description of the context'), docker: dockerFlag },
  async run(ctx) {
    const name = ctx.args[0]!;
    checkName(name);
    const meta = readContext(ctx.configDir, name);
    if (ctx.changed.has('description')) meta.Metadata.Description = ctx.flags.description;
    if (ctx.flags.docker !== '') {
      const endpoint = parseDockerEndpoint(ctx.flags.docker);
      meta.Endpoints = endpointOf(ctx, endpoint);
      if (endpoint.from === undefined) writeTls(ctx.configDir, name, endpoint);
      else copyTls(ctx.configDir, endpoint.from, name);
    }
    writeContext(ctx.configDir, meta);
    ctx.stdout.write(`${name}\n`);
    ctx.stderr.write(`Successfully updated context "${name}"\n`);
  },
});

const overriding = (ctx: Context): string | undefined => ['GANTRY_HOST', 'DOCKER_HOST'].find((key) => ctx.env[key]);

const overrideWarning = (variable: string, wanted: string): string =>
  `Warning: ${variable} environment variable overrides the active context. To use ${wanted}, either set the global --context flag, or unset ${variable} environment variable.\n`;

const LISTING: Listing = {
  headers: { Name: 'NAME', Description: 'DESCRIPTION', DockerEndpoint: 'DOCKER ENDPOINT', Error: 'ERROR', Current: '' },
  table: 'table {{.Name}}{{if .Current}} *{{end}}\t{{.Description}}\t{{.DockerEndpoint}}\t{{.Error}}',
  quiet: 'Name',
  type: '*formatter.clientContextContext',
};

function names(ctx: Context): ContextMeta[] {
  return [defaultMeta(ctx), ...listContexts(ctx.configDir)].sort((a, b) => (a.Name < b.Name ? -1 : 1));
}

export const ls = defineCommand({
  use: '[OPTIONS]',
  summary: 'List contexts',
  args: noArgs,
  flags: { format: listFormatFlag, quiet: bool('q', 'Only show context names') },
  async run(ctx) {
    const inUse = current(ctx);
    const rows = names(ctx).map((meta) => ({
      Name: meta.Name,
      Description: meta.Name === 'default' ? DEFAULT_DESCRIPTION : (meta.Metadata.Description ?? ''),
      DockerEndpoint: meta.Endpoints.docker?.Host ?? '',
      Current: meta.Name === inUse,
      Error: '',
    }));
    if (!rows.some(({ Current }) => Current)) {
      let why = '';
      try {
        readContext(ctx.configDir, inUse);
      } catch (error) {
        why = ellipsis((error as Error).message, 45);
      }
      rows.push({ Name: inUse, Description: '', DockerEndpoint: '', Current: true, Error: why });
      rows.sort((a, b) => (a.Name < b.Name ? -1 : 1));
    }
    ctx.stdout.write(formatRows(LISTING, rows, { format: ctx.flags.format, quiet: ctx.flags.quiet }));
    const variable = overriding(ctx);
    if (variable !== undefined) ctx.stderr.write(overrideWarning(variable, 'a context'));
  },
});

export const use = defineCommand({
  use: 'CONTEXT',
  summary: 'Set the current gantry context',
  args: exactly(1),
  complete: { kind: 'context' },
  flags: {},
  async run(ctx) {
    const name = ctx.args[0]!;
    if (name !== 'default') readContext(ctx.configDir, name);
    const config = readConfig(ctx.configDir);
    if (name === 'default') delete config.currentContext;
    else config.currentContext = name;
    writeConfig(ctx.configDir, config);
    ctx.stdout.write(`${name}\n`);
    ctx.stderr.write(`Current context is now "${name}"\n`);
    const variable = overriding(ctx) ?? ['GANTRY_CONTEXT', 'DOCKER_CONTEXT'].find((key) => ctx.env[key]);
    if (variable !== undefined && name !== 'default') ctx.stderr.write(overrideWarning(variable, JSON.stringify(name)));
  },
});

export const show = defineCommand({
  use: '',
  summary: 'Print the name of the current context',
  args: noArgs,
  flags: {},
  async run(ctx) {
    const name = current(ctx);
    if (name !== 'default') readContext(ctx.configDir, name);
    ctx.stdout.write(`${name}\n`);
  },
});

const escapeHtml = (character: string): string => `\\u00${character.charCodeAt(0).toString(16)}`;

export const inspect = defineCommand({
  use: '[OPTIONS] [CONTEXT] [CONTEXT...]',
  summary: 'Display detailed information on one or more contexts',
  args: anyArgs,
  complete: { kind: 'context', repeat: true },
  flags: { format: objectFormatFlag },
  async run(ctx) {
    const asked = ctx.args.length === 0 ? [current(ctx)] : ctx.args;
    const failures: string[] = [];
    const objects = asked.flatMap((name) => {
      let meta: ContextMeta;
      try {
        meta = readAnyContext(ctx, name);
      } catch (error) {
        failures.push((error as Error).message);
        return [];
      }
      const paths = contextDirectories(ctx.configDir, name);
      const stored = name !== 'default';
      const tls =
        stored && existsSync(`${paths.tls}/docker`) ? { docker: readdirSync(`${paths.tls}/docker`).sort() } : {};
      return {
        ...meta,
        TLSMaterial: tls,
        Storage: { MetadataPath: stored ? paths.meta : '<IN MEMORY>', TLSPath: stored ? paths.tls : '<IN MEMORY>' },
      };
    });
    const text = formatInspected(objects, ctx.flags.format);
    // Docker's client makes this JSON itself, by Go's encoder, which escapes what HTML could take for a tag.
    ctx.stdout.write(ctx.flags.format === '' ? text.replace(/[<>&]/g, escapeHtml) : text);
    if (failures.length > 0) throw new StatusError(1, failures.join('\n'));
  },
});

export const rm = defineCommand({
  use: 'CONTEXT [CONTEXT...]',
  summary: 'Remove one or more contexts',
  args: atLeast(1),
  complete: { kind: 'context', repeat: true },
  flags: { force: bool('f', 'Force the removal of a context in use') },
  async run(ctx) {
    const failures: string[] = [];
    const inUse = current(ctx);
    for (const name of ctx.args) {
      if (name === 'default') failures.push('context "default" cannot be removed');
      else if (!contextExists(ctx, name) && !ctx.flags.force) failures.push(`context "${name}" does not exist`);
      else if (name === inUse && !ctx.flags.force)
        failures.push(`context "${name}" is in use, set -f flag to force remove`);
      else {
        removeContext(ctx.configDir, name);
        if (ctx.config().currentContext === name) {
          const config = readConfig(ctx.configDir);
          delete config.currentContext;
          writeConfig(ctx.configDir, config);
        }
        ctx.stdout.write(`${name}\n`);
      }
    }
    if (failures.length > 0) throw new StatusError(1, failures.join('\n'));
  },
});
