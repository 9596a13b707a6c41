/** The gantry command: global flags, finding the command, running it, and reporting what went wrong. */

import { Client } from '../api/client/client.ts';
import type { Command, Context, GlobalFlags } from './command.ts';
import { StatusError } from './command.ts';
import { type ConfigFile, configDirectory, tolerantConfig } from './config.ts';
import { FlagError, parseFlags } from './flags/parse.ts';
import { GLOBAL_FLAGS } from './global-flags.ts';
import { resolveEndpoint } from './host.ts';
import { type Input, input, type Output, output } from './io.ts';
import { PROGRAM, VERSION } from './names.ts';
import { canonicalName, findCommand, GROUPS } from './registry.ts';

export interface Streams {
  stdin: Input;
  stdout: Output;
  stderr: Output;
}

type Env = Readonly<Record<string, string | undefined>>;

const DEPRECATED_H = 'Flag shorthand -h has been deprecated, use --help\n';
const LOG_LEVELS = ['panic', 'fatal', 'error', 'warn', 'warning', 'info', 'debug', 'trace'];

/** Runs the command line (without the program's own name) and resolves with the exit status. */
export async function main(argv: readonly string[], env: Env, streams: Streams): Promise<number> {
  const { stdout, stderr } = streams;
  let globals: ReturnType<typeof parseFlags<typeof GLOBAL_FLAGS>>;
  try {
    globals = parseFlags(GLOBAL_FLAGS, argv, false);
  } catch (error) {
    if (!(error instanceof FlagError)) throw error;
    stderr.write(
      `${error.message}\n\nUsage:  ${PROGRAM} [OPTIONS] COMMAND [ARG...]\n\nRun '${PROGRAM} --help' for more information\n`,
    );
    return 125;
  }
  const global = globals.values;
  let words = globals.args;
  if (global.version) {
    stdout.write(`Gantry version ${VERSION}\n`);
    return 0;
  }
  if (!LOG_LEVELS.includes(global['log-level'])) {
    stderr.write(`Unable to parse logging level: ${global['log-level']}\n`);
    return 1;
  }
  if (globals.help === '-h') stderr.write(DEPRECATED_H);
  let help = globals.help !== undefined;
  if (words[0] === 'help') {
    help = true;
    words = words.slice(1);
  }

  let config: ConfigFile | undefined;
  const configDir = configDirectory(global.config, env);
  const readOnce = () => {
    config ??= tolerantConfig(configDir, (message) => stderr.write(`WARNING: ${message}\n`));
    return config;
  };

  let found = findCommand(words);
  if (!found && words.length > 0 && !(words[0]! in GROUPS)) {
    const alias = readOnce().aliases?.[words[0]!];
    if (alias) {
      words = [...alias.split(/\s+/).filter(Boolean), ...words.slice(1)];
      found = findCommand(words);
    }
  }
  if (!found) return await withoutCommand(words, help, streams);

  const { command } = await found.entry.load();
  const invokedAs = `${PROGRAM} ${canonicalName(found.entry, found.name)}`;
  const rest = words.slice(found.used);
  if (help) {
    const { commandHelp } = await import('./help.ts');
    stdout.write(commandHelp(found.entry, command, invokedAs, stdout.columns()));
    return 0;
  }
  let parsed: ReturnType<typeof parseFlags>;
  try {
    parsed = parseFlags(command.flags, rest, command.interspersed ?? true);
  } catch (error) {
    if (!(error instanceof FlagError)) throw error;
    const { usageLine } = await import('./help.ts');
    stderr.write(
      `${error.message}\n${await flagHint(error, command)}\n${usageLine(command, invokedAs)}\n\nRun '${invokedAs} --help' for more information\n`,
    );
    return 125;
  }
  if (parsed.help) {
    const { commandHelp } = await import('./help.ts');
    if (parsed.help === '-h') stderr.write(DEPRECATED_H);
    stdout.write(commandHelp(found.entry, command, invokedAs, stdout.columns()));
    return 0;
  }
  const rule = command.args;
  if (parsed.args.length < rule.min || parsed.args.length > rule.max) {
    const { usageLine } = await import('./help.ts');
    const verb = /^requires at least (?!.* and at most )/.test(rule.message) ? 'See' : 'Run';
    stderr.write(
      `${PROGRAM}: '${invokedAs}' ${rule.message}\n\n${usageLine(command, invokedAs)}\n\n${verb} '${invokedAs} --help' for more information\n`,
    );
    return 1;
  }

  let client: Promise<Client> | undefined;
  const ctx: Context = {
    client: () => {
      client ??= makeClient(global, env, configDir, readOnce);
      return client;
    },
    config: readOnce,
    configDir,
    ...streams,
    env,
    flags: parsed.values,
    changed: parsed.changed,
    args: parsed.args,
    global,
    invokedAs,
  };
  try {
    return (await command.run(ctx)) ?? 0;
  } catch (error) {
    return report(error, command, invokedAs, stderr, global.debug);
  }
}

async function makeClient(global: GlobalFlags, env: Env, configDir: string, config: () => ConfigFile): Promise<Client> {
  const endpoint = await resolveEndpoint(global, env, configDir, config);
  return new Client({
    endpoint,
    version: (env.GANTRY_API_VERSION || env.DOCKER_API_VERSION)?.replace(/^v/, '') || undefined,
    headers: config().HttpHeaders,
    userAgent: `Gantry-Client/${VERSION} (linux)`,
  });
}

function report(error: unknown, command: Command, invokedAs: string, stderr: Output, debug: boolean): number {
  if (error instanceof StatusError) {
    if (error.message !== '') stderr.write(`${error.message}\n`);
    return error.status;
  }
  const message = error instanceof Error ? error.message : String(error);
  const hint = (error as { hint?: unknown }).hint;
  const help = command.errorStatus === undefined ? '' : `\nRun '${invokedAs} --help' for more information\n`;
  const prefix = command.errorStatus === undefined ? '' : `${PROGRAM}: `;
  stderr.write(`${prefix}${message}\n${typeof hint === 'string' ? `${hint}\n` : ''}${help}`);
  if (debug && error instanceof Error) stderr.write(`${error.stack}\n`);
  return command.errorStatus ?? 1;
}

async function flagHint(error: FlagError, command: Command): Promise<string> {
  if (error.unknown === undefined) return '';
  const { suggest } = await import('./suggest.ts');
  const near = suggest(error.unknown, Object.keys(command.flags));
  return near.length === 0 ? '' : `\nDid you mean ${near.map((name) => `--${name}`).join(' or ')}?\n`;
}

/** No command by that name: help of the group or the whole, or the error. */
async function withoutCommand(words: readonly string[], help: boolean, { stdout, stderr }: Streams): Promise<number> {
  const { laterCommand } = await import('./later.ts');
  const later = laterCommand(words);
  if (later !== undefined) {
    stderr.write(`${PROGRAM}: '${later}' is not supported yet\n`);
    return 1;
  }
  const { commandsUnder, groupHelp, rootHelp } = await import('./help.ts');
  const group = words[0] !== undefined && words[0] in GROUPS ? words[0] : undefined;
  const rest = group === undefined ? words : words.slice(1);
  if (rest.includes('-h')) stderr.write(DEPRECATED_H);
  const first = rest.find((word) => word !== '--help' && word !== '-h');
  if (first === undefined) {
    const out = help || rest.length > 0 ? stdout : stderr;
    out.write(group === undefined ? rootHelp(out.columns()) : groupHelp(group));
    return 0;
  }
  if (help && group === undefined) {
    stderr.write(`unknown help topic: ${words.join(' ')}\n`);
    return 1;
  }
  const at = group === undefined ? PROGRAM : `${PROGRAM} ${group}`;
  if (first.startsWith('-')) {
    const what = first.startsWith('--')
      ? `unknown flag: ${first}`
      : `unknown shorthand flag: '${first[1]}' in ${first}`;
    stderr.write(`${what}\n\nUsage:  ${at}\n\nRun '${at} --help' for more information\n`);
    return 125;
  }
  const { suggest } = await import('./suggest.ts');
  const known = commandsUnder(group ?? '').map(([name]) => name);
  const near = suggest(first, group === undefined ? [...known, ...Object.keys(GROUPS)] : known);
  const hint = near.length === 0 ? '' : `\nDid you mean this?\n${near.map((name) => `\t${name}\n`).join('')}`;
  const usage = group === undefined ? '' : `\nUsage:  ${at}\n`;
  stderr.write(
    `${PROGRAM}: unknown command: ${at} ${first}\n${hint}${usage}\nRun '${at} --help' for more information\n`,
  );
  return 1;
}

/** The process's own streams. */
export function processStreams(): Streams {
  return { stdin: input(0), stdout: output(1), stderr: output(2) };
}
