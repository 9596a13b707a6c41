/** Help texts in docker's layout. */

import type { Command } from './command.ts';
import type { FlagSpecs } from './flags/spec.ts';
import { GLOBAL_FLAGS } from './global-flags.ts';
import { PROGRAM } from './names.ts';
import { COMMANDS, COMMON, type CommandEntry, GROUPS } from './registry.ts';

/** The line (or lines) that say how a command is called. */
export function usageLine(command: Pick<Command, 'use'>, invokedAs: string): string {
  const lines = command.use.split('\n').map((form) => `${invokedAs} ${form}`.trimEnd());
  return `Usage:  ${lines.join('\n\t')}`;
}

/** All of a command's help. `columns` is the width to wrap at. */
export function commandHelp(entry: CommandEntry, command: Command, invokedAs: string, columns: number): string {
  const parts = [usageLine(command, invokedAs), command.long ?? command.summary];
  if (entry.names.length > 1) parts.push(`Aliases:\n  ${entry.names.map((name) => `${PROGRAM} ${name}`).join(', ')}`);
  const flags = flagUsages(command.flags, columns);
  if (flags !== '') parts.push(`Options:\n${flags}`);
  return `${parts.join('\n\n')}\n`;
}

/** The list of flags as pflag prints it: sorted, aligned, wrapped with pflag's slack of five columns. */
function flagUsages(specs: FlagSpecs, columns: number): string {
  const rows: [string, string][] = [];
  for (const name of Object.keys(specs).sort()) {
    const spec = specs[name]!;
    if (spec.hidden) continue;
    const short = spec.short === '' ? '    ' : `-${spec.short}, `;
    const type = spec.type === '' ? '' : ` ${spec.type}`;
    rows.push([
      `  ${short}--${name}${type}`,
      spec.usage + (spec.showDefault === '' ? '' : ` (default ${spec.showDefault})`),
    ]);
  }
  const width = Math.max(0, ...rows.map(([left]) => left.length)) + 3;
  return rows.map(([left, usage]) => left.padEnd(width) + wrap(width, columns - 1, usage)).join('\n');
}

const SLACK = 5;

function wrap(indent: number, columns: number, text: string): string {
  const margin = `\n${' '.repeat(indent)}`;
  const room = columns - indent - SLACK;
  if (room < 24 - SLACK) return text.replaceAll('\n', margin);
  const lines: string[] = [];
  let rest = text;
  while (rest !== '') {
    let cut = rest.length;
    if (room + SLACK <= rest.length) {
      const head = rest.slice(0, room);
      const space = Math.max(head.lastIndexOf(' '), head.lastIndexOf('\n'));
      const newline = head.lastIndexOf('\n');
      if (space > 0) cut = newline > 0 && newline < space ? newline : space;
    }
    lines.push(rest.slice(0, cut).replaceAll('\n', margin));
    rest = rest.slice(cut + 1);
  }
  return lines.join(margin);
}

function table(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(11, ...rows.map(([name]) => name.length)) + 1;
  return rows.map(([name, summary]) => `  ${name.padEnd(width)}${summary}`).join('\n');
}

/** The commands right under a prefix ('' for the top), each by its first name there. */
export function commandsUnder(prefix: string): [string, string][] {
  const start = prefix === '' ? '' : `${prefix} `;
  const rows: [string, string][] = [];
  for (const entry of COMMANDS) {
    if (entry.hidden) continue;
    const name = entry.names.find((one) => one.startsWith(start) && !one.slice(start.length).includes(' '));
    if (name) rows.push([name.slice(start.length), entry.summary]);
  }
  return rows.sort(([a], [b]) => (a < b ? -1 : 1));
}

export function groupHelp(group: string): string {
  const invoked = `${PROGRAM} ${group}`;
  return [
    `Usage:  ${invoked} COMMAND`,
    GROUPS[group]!,
    `Commands:\n${table(commandsUnder(group))}`,
    `Run '${invoked} COMMAND --help' for more information on a command.\n`,
  ].join('\n\n');
}

export function rootHelp(columns: number): string {
  const top = commandsUnder('');
  const common = COMMON.flatMap((name) => top.filter(([other]) => other === name));
  const rest = top.filter(([name]) => !(COMMON as readonly string[]).includes(name) && !(name in GROUPS));
  return [
    `Usage:  ${PROGRAM} [OPTIONS] COMMAND`,
    'A container platform that speaks Docker',
    `Common Commands:\n${table(common)}`,
    `Management Commands:\n${table(Object.entries(GROUPS))}`,
    `Commands:\n${table(rest)}`,
    `Global Options:\n${flagUsages(GLOBAL_FLAGS, columns)}`,
    `Run '${PROGRAM} COMMAND --help' for more information on a command.\n`,
  ].join('\n\n');
}
