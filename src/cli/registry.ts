/**
 * Every command: its names and where it is. The first name with a given prefix is the one that the help of that group lists, all
 * of them are listed as aliases. The import is evaluated only when the command runs, or when its help is asked for.
 */

import type { Command } from './command.ts';

export interface CommandEntry {
  /** Paths, words joined by a space; the first is the canonical one. */
  readonly names: readonly string[];
  readonly summary: string;
  readonly hidden?: boolean;
  // biome-ignore lint/suspicious/noExplicitAny: the table holds commands with flags of every kind
  load(): Promise<{ command: Command<any> }>;
}

/** Groups of commands, in the order of the help. */
export const GROUPS: Readonly<Record<string, string>> = {
  container: 'Manage containers',
  context: 'Manage contexts',
  image: 'Manage images',
  system: 'Manage Gantry',
};

/** The commands that a newcomer meets first. */
export const COMMON = ['run', 'exec', 'ps', 'pull', 'images', 'version', 'info'] as const;

export const COMMANDS: readonly CommandEntry[] = [
  {
    names: ['container pause', 'pause'],
    summary: 'Pause all processes within one or more containers',
    load: () => import('./commands/pause.ts'),
  },
];

/** The entry of a path of words, and how many of them it took. */
export function findCommand(words: readonly string[]): { entry: CommandEntry; name: string; used: number } | undefined {
  for (const used of [3, 2, 1]) {
    if (words.length < used) continue;
    const name = words.slice(0, used).join(' ');
    const entry = COMMANDS.find((candidate) => candidate.names.includes(name));
    if (entry) return { entry, name, used };
  }
  return undefined;
}
