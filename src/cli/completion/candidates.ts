/** What may stand at the end of a command line. Errors (no daemon, say) complete to nothing: a shell is no place for messages. */

import type { Client } from '../../api/client/client.ts';
import type { ContainerSummary } from '../../api/schemas/container.ts';
import type { ImageSummary } from '../../api/schemas/image.ts';
import type { Completion, Context } from '../command.ts';
import type { FlagSpecs } from '../flags/spec.ts';
import { GLOBAL_FLAGS } from '../global-flags.ts';
import { commandsUnder } from '../help.ts';
import { findCommand, GROUPS } from '../registry.ts';

export interface Candidate {
  value: string;
  about?: string;
}

export interface Candidates {
  values: Candidate[];
  files: boolean;
}

const none: Candidates = { values: [], files: false };

/** Flags whose values have a meaning of their own, in every command that has them. */
const FLAG_VALUES: Readonly<Record<string, Completion>> = {
  'cap-add': { kind: 'words', words: ['ALL', 'NET_ADMIN', 'NET_RAW', 'SYS_ADMIN', 'SYS_PTRACE', 'SYS_TIME'] },
  'cap-drop': { kind: 'words', words: ['ALL', 'NET_ADMIN', 'NET_RAW', 'SYS_ADMIN', 'SYS_PTRACE', 'SYS_TIME'] },
  cgroupns: { kind: 'words', words: ['host', 'private'] },
  cidfile: { kind: 'file' },
  config: { kind: 'file' },
  context: { kind: 'context' },
  'env-file': { kind: 'file' },
  'label-file': { kind: 'file' },
  'log-driver': { kind: 'words', words: ['json-file', 'local', 'none'] },
  'log-level': { kind: 'words', words: ['debug', 'info', 'warn', 'error', 'fatal'] },
  network: { kind: 'network' },
  pull: { kind: 'words', words: ['always', 'missing', 'never'] },
  restart: { kind: 'words', words: ['no', 'always', 'on-failure', 'unless-stopped'] },
  signal: { kind: 'words', words: ['HUP', 'INT', 'KILL', 'QUIT', 'TERM', 'USR1', 'USR2'] },
  'stop-signal': { kind: 'words', words: ['HUP', 'INT', 'KILL', 'QUIT', 'TERM', 'USR1', 'USR2'] },
  tlscacert: { kind: 'file' },
  tlscert: { kind: 'file' },
  tlskey: { kind: 'file' },
  volume: { kind: 'file' },
  'volumes-from': { kind: 'container' },
};

export async function candidates(ctx: Context, line: readonly string[]): Promise<Candidates> {
  const word = line.at(-1) ?? '';
  const { words, flagValue } = positions(GLOBAL_FLAGS, line.slice(0, -1), false);
  if (flagValue) return await values(ctx, FLAG_VALUES[flagValue], word);
  const found = findCommand(words);
  if (!found) {
    if (word.startsWith('-') && words.length === 0) return flagNames(GLOBAL_FLAGS, word);
    const group = words[0] !== undefined && words[0] in GROUPS ? words[0] : words.length === 0 ? '' : undefined;
    if (group === undefined) return none;
    const list = commandsUnder(group).map(([value, about]) => ({ value, about }));
    if (group === '') for (const [value, about] of Object.entries(GROUPS)) list.push({ value, about });
    return { values: list.filter(({ value }) => value.startsWith(word)), files: false };
  }
  const { command } = await found.entry.load();
  const rest = words.slice(found.used);
  const place = positions(command.flags, rest, command.interspersed ?? true);
  if (place.flagValue) {
    return await values(ctx, command.completeFlags?.[place.flagValue] ?? FLAG_VALUES[place.flagValue], word);
  }
  if (word.startsWith('-') && !place.ended) return flagNames(command.flags, word);
  if (place.words.length > 0 && !command.complete?.repeat) {
    // What runs in the container is the container's matter.
    return command.interspersed === false ? none : { values: [], files: command.complete?.kind === 'file' };
  }
  const offered = await values(ctx, command.complete, word);
  return { ...offered, values: offered.values.filter(({ value }) => !place.words.includes(value)) };
}

/** Splits what stands before the word in question: words, and the flag that waits for its value. */
function positions(specs: FlagSpecs, line: readonly string[], interspersed: boolean) {
  const words: string[] = [];
  let flagValue: string | undefined;
  let ended = false;
  for (let index = 0; index < line.length; index++) {
    const word = line[index]!;
    if (!interspersed && words.length > 0) {
      words.push(...line.slice(index));
      ended = true;
      break;
    }
    if (word === '--') {
      words.push(...line.slice(index + 1));
      ended = true;
      break;
    }
    if (!word.startsWith('-') || word === '-') {
      words.push(word);
      continue;
    }
    const name = word.startsWith('--')
      ? word.slice(2)
      : Object.keys(specs).find((key) => specs[key]!.short !== '' && word.endsWith(specs[key]!.short));
    const spec = name === undefined || word.includes('=') ? undefined : specs[name];
    if (spec && spec.alone === undefined) {
      index++;
      if (index >= line.length) flagValue = name;
    }
  }
  return { words, flagValue, ended: ended || (!interspersed && words.length > 0) };
}

function flagNames(specs: FlagSpecs, word: string): Candidates {
  const list: Candidate[] = [];
  for (const [name, spec] of Object.entries(specs)) {
    if (!spec.hidden && `--${name}`.startsWith(word))
      list.push({ value: `--${name}`, about: spec.usage.split('\n')[0]! });
  }
  return { values: list, files: false };
}

async function values(ctx: Context, completion: Completion | undefined, word: string): Promise<Candidates> {
  if (!completion) return none;
  if (completion.kind === 'file') return { values: [], files: true };
  if (completion.kind === 'words') {
    return {
      values: (completion.words ?? []).filter((one) => one.startsWith(word)).map((value) => ({ value })),
      files: false,
    };
  }
  try {
    const list = await objects(ctx, completion);
    return { values: list.filter(({ value }) => value.startsWith(word)), files: false };
  } catch {
    return none;
  }
}

async function objects(ctx: Context, completion: Completion): Promise<Candidate[]> {
  switch (completion.kind) {
    case 'container':
      return await containers(await ctx.client(), completion.state);
    case 'image': {
      const images = await (await ctx.client()).json<ImageSummary[]>('GET', '/images/json');
      return images.flatMap((image) => (image.RepoTags ?? []).map((value) => ({ value })));
    }
    case 'network': {
      const networks = await (await ctx.client()).json<{ Name: string; Driver?: string }[]>('GET', '/networks');
      return networks.map(({ Name, Driver }) => ({ value: Name, ...(Driver ? { about: Driver } : {}) }));
    }
    case 'volume': {
      const { Volumes } = await (await ctx.client()).json<{ Volumes: { Name: string }[] | null }>('GET', '/volumes');
      return (Volumes ?? []).map(({ Name }) => ({ value: Name }));
    }
    case 'context': {
      const { readdirSync, readFileSync } = await import('node:fs');
      const directory = `${ctx.configDir}/contexts/meta`;
      const names = readdirSync(directory).map(
        (id) => (JSON.parse(readFileSync(`${directory}/${id}/meta.json`, 'utf8')) as { Name: string }).Name,
      );
      return ['default', ...names].map((value) => ({ value }));
    }
    default:
      return [];
  }
}

async function containers(client: Client, state: Completion['state']): Promise<Candidate[]> {
  const list = await client.json<ContainerSummary[]>('GET', '/containers/json', { query: { all: true } });
  const wanted = (one: string | undefined) => {
    if (state === undefined) return true;
    if (state === 'stopped') return one === 'created' || one === 'exited';
    return one === state;
  };
  return list
    .filter(({ State }) => wanted(State))
    .flatMap(({ Names, Image }) =>
      (Names ?? [])
        .map((name) => name.replace(/^\//, ''))
        .filter((name) => !name.includes('/'))
        .map((value) => ({ value, ...(Image ? { about: Image } : {}) })),
    );
}
