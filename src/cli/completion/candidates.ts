/** What may stand at the end of a command line. Errors (no daemon, say) complete to nothing: a shell is no place for messages. */

import type { Client } from '../../api/client/client.ts';
import type { ContainerSummary } from '../../api/schemas/container.ts';
import type { ImageSummary } from '../../api/schemas/image.ts';
import type { Completion, Context } from '../command.ts';
import type { FlagSpecs } from '../flags/spec.ts';
import { GLOBAL_FLAGS } from '../global-flags.ts';
import { commandsUnder } from '../help.ts';
import { type CommandEntry, findCommand, GROUPS } from '../registry.ts';
import { FILTERS, FLAG_VALUES, formats } from './flag-values.ts';

export interface Candidate {
  value: string;
  about?: string;
}

export interface Candidates {
  values: Candidate[];
  files: boolean;
  /** More is to be typed behind them. */
  open?: boolean;
}

const none: Candidates = { values: [], files: false };

export async function candidates(ctx: Context, line: readonly string[]): Promise<Candidates> {
  const word = line.at(-1) ?? '';
  const { words, flagValue } = positions(GLOBAL_FLAGS, line.slice(0, -1), false);
  if (flagValue) return await values(ctx, FLAG_VALUES[flagValue], word);
  const found = findCommand(words);
  if (!found) {
    const given = attached(GLOBAL_FLAGS, word);
    if (given && words.length === 0) return await attachedValues(ctx, FLAG_VALUES[given.name], given);
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
  const valuesOf = (flag: string): Completion | undefined => {
    if (flag === 'format') return { kind: 'words', words: formats(found.entry.names[0]!) };
    if (flag === 'filter') return undefined;
    return command.completeFlags?.[flag] ?? FLAG_VALUES[flag];
  };
  if (place.flagValue === 'filter') return await filterValues(ctx, found.entry, word);
  if (place.flagValue) return await values(ctx, valuesOf(place.flagValue), word);
  const given = place.ended ? undefined : attached(command.flags, word);
  if (given) {
    return given.name === 'filter'
      ? prefixed(given.prefix, await filterValues(ctx, found.entry, given.value))
      : await attachedValues(ctx, valuesOf(given.name), given);
  }
  if (word.startsWith('-') && !place.ended) return flagNames(command.flags, word);
  if (place.words.length > 0 && !command.complete?.repeat) {
    // What runs in the container is the container's matter.
    return command.interspersed === false ? none : { values: [], files: command.complete?.kind === 'file' };
  }
  const offered = await values(ctx, command.complete, word);
  return { ...offered, values: offered.values.filter(({ value }) => !place.words.includes(value)) };
}

/** The flag and the value of `--flag=value`. */
function attached(specs: FlagSpecs, word: string): { name: string; prefix: string; value: string } | undefined {
  const match = /^--([^=]+)=(.*)$/s.exec(word);
  if (!match || !Object.hasOwn(specs, match[1]!)) return undefined;
  return { name: match[1]!, prefix: `--${match[1]}=`, value: match[2]! };
}

async function attachedValues(
  ctx: Context,
  completion: Completion | undefined,
  given: { prefix: string; value: string },
): Promise<Candidates> {
  return prefixed(given.prefix, await values(ctx, completion, given.value));
}

/** Files are the shell's to find, which does not know of the prefix. */
function prefixed(prefix: string, offered: Candidates): Candidates {
  return { ...offered, files: false, values: offered.values.map((one) => ({ ...one, value: prefix + one.value })) };
}

/** "key=" for the keys that the command's filters have, then the values of a key. */
async function filterValues(ctx: Context, entry: CommandEntry, word: string): Promise<Candidates> {
  const filters = FILTERS[entry.names[0]!] ?? {};
  const equals = word.indexOf('=');
  if (equals < 0) {
    const keys = Object.keys(filters).filter((key) => key.startsWith(word));
    return { values: keys.map((key) => ({ value: `${key}=` })), files: false, open: true };
  }
  const completion = filters[word.slice(0, equals)];
  return prefixed(word.slice(0, equals + 1), await values(ctx, completion ?? undefined, word.slice(equals + 1)));
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
    const words = (completion.words ?? []).filter((one) => one.startsWith(word));
    return {
      values: words.map((value) => ({ value })),
      files: completion.files ?? false,
      open: words.length > 0 && words.every((one) => /[=:,]$/.test(one)),
    };
  }
  try {
    const list = await objects(ctx, completion);
    return { values: list.filter(({ value }) => value.startsWith(word)), files: completion.files ?? false };
  } catch {
    return completion.files ? { values: [], files: true } : none;
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
      const names = (await import('../context-store.ts')).listContexts(ctx.configDir).map(({ Name }) => Name);
      return ['default', ...names].map((value) => ({ value }));
    }
    case 'variable':
      return Object.keys(ctx.env).map((value) => ({ value }));
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
