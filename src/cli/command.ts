/**
 * What a command of the CLI is.
 *
 * One file in commands/ holds one command (or one small family) and exports it with `defineCommand`. A row in
 * registry.ts gives it its names and the import that loads it: only the command that was asked for is evaluated, which is
 * what keeps the start short. So: import nothing in a command file that the command does not need, no node:http, and no
 * `process.stdout` (its getter costs 2 ms); write through `ctx.stdout`.
 *
 *   export const command = defineCommand({
 *     use: '[OPTIONS] CONTAINER [CONTAINER...]',
 *     summary: 'Pause all processes within one or more containers',
 *     flags: { all: bool('a', 'Show all') },
 *     args: atLeast(1),
 *     complete: { kind: 'container', state: 'running', repeat: true },
 *     async run(ctx) {
 *       ctx.flags.all            // boolean: the type follows from the flag's kind (flags/spec.ts)
 *       ctx.changed.has('all')   // whether it stood on the command line
 *       const list = await (await ctx.client()).json<ContainerSummary[]>('GET', '/containers/json', { query: { all: true } });
 *       ctx.stdout.write(`${...}\n`);
 *     },
 *   });
 *
 * `run` resolves with the exit status (nothing means 0). What it throws is printed to stderr as the docker CLI does: an ApiError (api/client)
 * as `Error response from daemon: <message>`, a connection failure as `Cannot connect to the Gantry daemon at ...`,
 * any other Error by its message; the status is 1, or the command's `errorStatus`. To leave with a given status throw a
 * `StatusError`; with an empty message it prints nothing.
 */

import type { Client } from '../api/client/client.ts';
import type { ConfigFile } from './config.ts';
import type { FlagSpecs, FlagValues } from './flags/spec.ts';
import type { Input, Output } from './io.ts';

export type { FlagSpec, FlagSpecs, FlagValues } from './flags/spec.ts';
export { bool, duration, int, list, string, uint, value } from './flags/spec.ts';

export interface Context<F extends FlagSpecs = FlagSpecs> {
  /** The client of the engine that the environment, the flags or the current context name. Made on first use, no request is sent. */
  client(): Promise<Client>;
  /** ~/.docker/config.json, read on first use. Throws when the file is not valid JSON. */
  config(): ConfigFile;
  /** Where the configuration and the contexts are kept (GANTRY_CONFIG, DOCKER_CONFIG, --config, ~/.docker). */
  readonly configDir: string;
  readonly stdin: Input;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly flags: FlagValues<F>;
  /** Long names of the flags that were given. */
  readonly changed: ReadonlySet<string>;
  readonly args: string[];
  readonly global: GlobalFlags;
  /** How the command was called, such as "gantry container ls". */
  readonly invokedAs: string;
}

/** The flags before the command's name. */
export interface GlobalFlags {
  readonly config: string;
  readonly context: string;
  readonly debug: boolean;
  readonly host: string[];
  readonly 'log-level': string;
  readonly tls: boolean;
  readonly tlscacert: string;
  readonly tlscert: string;
  readonly tlskey: string;
  readonly tlsverify: boolean;
  readonly version: boolean;
}

/** How many words a command takes; the message when it is another number (without `'gantry x' `). */
export interface ArgsRule {
  readonly min: number;
  readonly max: number;
  readonly message: string;
}

const plural = (count: number) => (count === 1 ? 'argument' : 'arguments');
export const noArgs: ArgsRule = { min: 0, max: 0, message: 'accepts no arguments' };
export const anyArgs: ArgsRule = { min: 0, max: Number.POSITIVE_INFINITY, message: '' };
export const exactly = (count: number): ArgsRule => ({
  min: count,
  max: count,
  message: `requires ${count} ${plural(count)}`,
});
export const atLeast = (count: number): ArgsRule => ({
  min: count,
  max: Number.POSITIVE_INFINITY,
  message: `requires at least ${count} ${plural(count)}`,
});
export const atMost = (count: number): ArgsRule => ({
  min: 0,
  max: count,
  message: `requires at most ${count} ${plural(count)}`,
});
export const between = (min: number, max: number): ArgsRule => ({
  min,
  max,
  message: `requires at least ${min} and at most ${max} ${plural(max)}`,
});

/** What shell completion offers for the words (not the flags) of a command. */
export interface Completion {
  readonly kind: 'container' | 'image' | 'network' | 'volume' | 'context' | 'file' | 'variable' | 'words';
  /** Files as well. */
  readonly files?: boolean;
  /** Containers only in this state; without it all of them. */
  readonly state?: 'running' | 'stopped' | 'paused';
  /** Offer for every word, not for the first alone. */
  readonly repeat?: boolean;
  readonly words?: readonly string[];
}

export interface Command<F extends FlagSpecs = FlagSpecs> {
  /** What stands behind the command's name in the usage line; several lines for several forms. */
  readonly use: string;
  readonly summary: string;
  /** The help's text when it says more than the summary. */
  readonly long?: string;
  readonly flags: F;
  readonly args: ArgsRule;
  /** false: the first word ends the flags (run, create, exec). */
  readonly interspersed?: boolean;
  /** Status of an error (1 unless given) and, when given, `gantry: ` before the message and the pointer to --help after it. */
  readonly errorStatus?: number;
  readonly complete?: Completion;
  /** Values offered for flags by name. */
  readonly completeFlags?: Readonly<Record<string, Completion>>;
  run(ctx: Context<F>): Promise<number | undefined> | Promise<void>;
}

/** Gives `run` the types of the command's own flags. */
export function defineCommand<const F extends FlagSpecs>(command: Command<F>): Command<F> {
  return command;
}

/** Ends the command with this status; an empty message prints nothing. */
export class StatusError extends Error {
  override readonly name = 'StatusError';
  readonly status: number;

  constructor(status: number, message = '') {
    super(message);
    this.status = status;
  }
}
