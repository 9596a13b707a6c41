import { messageOf } from '../../api/errors.ts';
import { keyOf, NOT_YET, OPTIONS, type OptionKind, type OptionSpec, type Values } from './options.ts';
import { readFlag } from './values.ts';

/** A command line that cannot be used; the message says why. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

type Known = Pick<OptionSpec, 'flag' | 'key' | 'kind'> & { notYet: boolean };

/** Reads the command line by the rules of Go's pflag, which dockerd uses. Throws UsageError. */
export function parseFlags(args: readonly string[]): Values {
  const byName = new Map<string, Known>();
  for (const spec of OPTIONS) byName.set(`--${spec.flag}`, { ...spec, notYet: false });
  for (const spec of OPTIONS) if (spec.short !== undefined) byName.set(`-${spec.short}`, { ...spec, notYet: false });
  for (const spec of NOT_YET) byName.set(`--${spec.flag}`, { ...spec, notYet: true });

  const values: Values = new Map();
  const rest = [...args];
  const set = (shown: string, known: Known, text: string) => {
    try {
      const value = readFlag(known.kind, text, values.get(keyOf(known)));
      if (known.notYet && value !== false) throw new UsageError(`${shown} is not supported yet`);
      values.set(keyOf(known), value);
    } catch (error) {
      if (error instanceof UsageError) throw error;
      throw new UsageError(`invalid argument "${text}" for "${shown}" flag: ${messageOf(error)}`);
    }
  };
  const argumentOf = (shown: string, kind: OptionKind, given: string | undefined): string => {
    if (given !== undefined) return given;
    if (kind === 'bool') return 'true';
    const next = rest.shift();
    if (next === undefined) throw new UsageError(`flag needs an argument: ${shown}`);
    return next;
  };

  while (rest.length > 0) {
    const arg = rest.shift()!;
    if (arg === '--' && rest.length === 0) break;
    if (arg === '--' || !arg.startsWith('-') || arg === '-') {
      throw new UsageError('"gantryd" accepts no arguments.');
    }
    if (arg.startsWith('--')) {
      const at = arg.indexOf('=');
      const name = at < 0 ? arg : arg.slice(0, at);
      const known = byName.get(name);
      if (known === undefined) throw new UsageError(`unknown flag: ${name}`);
      set(name, known, argumentOf(name, known.kind, at < 0 ? undefined : arg.slice(at + 1)));
      continue;
    }
    // -D, -Dl debug, -ldebug, -l=debug
    for (let at = 1; at < arg.length; at++) {
      const known = byName.get(`-${arg[at]}`);
      if (known === undefined) throw new UsageError(`unknown shorthand flag: '${arg[at]}' in ${arg}`);
      const shown = `-${arg[at]}, --${known.flag}`;
      const tail = arg.slice(at + 1);
      if (tail.startsWith('=')) {
        set(shown, known, tail.slice(1));
        break;
      }
      if (known.kind === 'bool') {
        set(shown, known, 'true');
        continue;
      }
      set(shown, known, argumentOf(`'${arg[at]}' in ${arg}`, known.kind, tail === '' ? undefined : tail));
      break;
    }
  }
  return values;
}

/** The text of --help. */
export function usage(defaults: Values): string {
  const rows = [...OPTIONS]
    .sort((a, b) => a.flag.localeCompare(b.flag))
    .map((spec) => {
      const short = spec.short === undefined ? '    ' : `-${spec.short}, `;
      const kind = { bools: 'map', ulimits: 'ulimit', runtimes: 'runtime', pools: 'pool-options', bool: '' } as const;
      const word = kind[spec.kind as keyof typeof kind] ?? spec.kind;
      const value = defaults.get(keyOf(spec));
      const shown =
        typeof value === 'string' && value !== ''
          ? ` (default "${value}")`
          : (typeof value === 'number' && value !== 0) || value === true
            ? ` (default ${value})`
            : '';
      return [`  ${short}--${spec.flag}${word === '' ? '' : ` ${word}`}`, `${spec.help}${shown}`] as const;
    });
  const width = Math.max(...rows.map(([left]) => left.length)) + 3;
  const lines = rows.map(([left, right]) => `${left.padEnd(width)}${right}`);
  return `\nUsage:  gantryd [OPTIONS]\n\nA self-sufficient runtime for containers.\n\nOptions:\n${lines.join('\n')}\n`;
}
