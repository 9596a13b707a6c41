/**
 * The command line as pflag reads it: `--name value`, `--name=value`, `-n value`, `-nvalue`, `-n=value`, several short
 * flags in one word, booleans that take a value only behind `=`, and `--` as the end of the flags.
 */

import type { FlagSpec, FlagSpecs, FlagValues } from './spec.ts';

/** A mistake in the flags themselves: printed with the command's usage, exit status 125. */
export class FlagError extends Error {
  override readonly name = 'FlagError';
  /** The long name that was not known, for a suggestion. */
  readonly unknown: string | undefined;

  constructor(message: string, unknown?: string) {
    super(message);
    this.unknown = unknown;
  }
}

export interface ParsedFlags<F extends FlagSpecs> {
  values: FlagValues<F>;
  /** The long names that stood on the command line. */
  changed: ReadonlySet<string>;
  args: string[];
  /** `--help` or `-h` (where -h is not another flag), as it was given; nothing after it was read. */
  help: '--help' | '-h' | undefined;
  /** How many of `args` stood before `--`; -1 without one. */
  dash: number;
}

/**
 * Parses `argv`. With `interspersed` off the first word that is no flag ends them: what follows belongs to the container.
 * Throws FlagError in pflag's wording.
 */
export function parseFlags<F extends FlagSpecs>(
  specs: F,
  argv: readonly string[],
  interspersed = true,
): ParsedFlags<F> {
  const values: Record<string, unknown> = {};
  for (const name in specs) values[name] = specs[name]!.default;
  const changed = new Set<string>();
  const args: string[] = [];
  const result = (help: '--help' | '-h' | undefined, dash: number): ParsedFlags<F> => ({
    values: values as FlagValues<F>,
    changed,
    args,
    help,
    dash,
  });

  const set = (name: string, spec: FlagSpec<unknown>, text: string) => {
    try {
      values[name] = spec.parse(text, values[name], !changed.has(name));
    } catch (error) {
      const label = spec.short === '' ? `--${name}` : `-${spec.short}, --${name}`;
      throw new FlagError(`invalid argument ${JSON.stringify(text)} for "${label}" flag: ${(error as Error).message}`);
    }
    changed.add(name);
  };

  let index = 0;
  while (index < argv.length) {
    const word = argv[index++]!;
    if (word === '--') {
      const dash = args.length;
      args.push(...argv.slice(index));
      return result(undefined, dash);
    }
    if (word === '-' || !word.startsWith('-')) {
      if (!interspersed) {
        args.push(word, ...argv.slice(index));
        return result(undefined, -1);
      }
      args.push(word);
      continue;
    }
    if (word.startsWith('--')) {
      const equals = word.indexOf('=');
      const name = equals < 0 ? word.slice(2) : word.slice(2, equals);
      if (name === '' || name.startsWith('-')) throw new FlagError(`bad flag syntax: ${word}`);
      const spec = Object.hasOwn(specs, name) ? specs[name] : undefined;
      if (!spec) {
        if (name === 'help') return result('--help', -1);
        throw new FlagError(`unknown flag: --${name}`, name);
      }
      if (equals >= 0) set(name, spec, word.slice(equals + 1));
      else if (spec.alone !== undefined) set(name, spec, spec.alone);
      else if (index < argv.length) set(name, spec, argv[index++]!);
      else throw new FlagError(`flag needs an argument: --${name}`);
      continue;
    }
    let letters = word.slice(1);
    while (letters !== '') {
      const letter = letters[0]!;
      const group = letters;
      letters = letters.slice(1);
      const name = nameOfShort(specs, letter);
      const spec = name === undefined ? undefined : specs[name];
      if (name === undefined || !spec) {
        if (letter === 'h') return result('-h', -1);
        throw new FlagError(`unknown shorthand flag: ${quoteRune(letter)} in -${group}`);
      }
      if (letters.length > 1 && letters[0] === '=') {
        set(name, spec, letters.slice(1));
        letters = '';
      } else if (spec.alone !== undefined) {
        set(name, spec, spec.alone);
      } else if (letters.length > 0) {
        set(name, spec, letters);
        letters = '';
      } else if (index < argv.length) {
        set(name, spec, argv[index++]!);
      } else {
        throw new FlagError(`flag needs an argument: ${quoteRune(letter)} in -${group}`);
      }
    }
  }
  return result(undefined, -1);
}

function quoteRune(letter: string): string {
  return `'${letter}'`;
}

function nameOfShort(specs: FlagSpecs, letter: string): string | undefined {
  for (const name in specs) if (specs[name]!.short === letter) return name;
  return undefined;
}
