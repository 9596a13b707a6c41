import { StatusError } from '../command.ts';
import { alignTabs } from './table.ts';
import { Template } from './template/template.ts';

/** A listed object: fields as text, methods ({{.Label "x"}}) as functions. */
export type Row = Record<string, unknown>;

export interface Listing {
  /** Column title of each field, for `table` formats. */
  headers: Record<string, string>;
  /** Format used when the user gives none. */
  table: string;
  /** Field printed by --quiet. */
  quiet: string;
}

export interface RowOptions {
  /** --format, or '' for the default (or what the config file says). */
  format: string;
  quiet: boolean;
}

/** Text of a list command: "table", "table TEMPLATE", "json" or a template a line. Throws for a template that does not work. */
export function formatRows(listing: Listing, rows: readonly Row[], options: RowOptions): string {
  let format = options.format;
  if (options.quiet && (format === '' || format === 'table')) format = `{{.${listing.quiet}}}`;
  if (format === '' || format === 'table') format = listing.table;
  if (format === 'json' || format === '{{json .}}') return rows.map((row) => `${rowJson(row)}\n`).join('');
  const isTable = format.startsWith('table');
  const source = (isTable ? format.slice('table'.length).trim() : format)
    .replaceAll('\\t', '\t')
    .replaceAll('\\n', '\n');
  const template = parseRowFormat(source);
  const lines: string[] = [];
  if (isTable) lines.push(template.execute(headerRow(listing)));
  for (const row of rows) lines.push(template.execute(sorted(row)));
  const text = lines.map((line) => `${line}\n`).join('');
  return isTable ? alignTabs(text) : text;
}

/** Titles stand in for the values; a method gives its last argument's title, as Docker's Label does. */
function headerRow(listing: Listing): Row {
  const row: Row = { ...listing.headers };
  row.Label = (name: unknown) => {
    const text = String(name);
    return text
      .slice(text.lastIndexOf('.') + 1)
      .replaceAll('-', ' ')
      .replaceAll('_', ' ');
  };
  return row;
}

function parseRowFormat(source: string): Template {
  try {
    return new Template(source, { strict: true });
  } catch (error) {
    throw new StatusError(64, `failed to parse template: ${(error as Error).message}`);
  }
}

/** Go's encoder makes JSON that may stand in HTML; scripts that compare whole lines know it so. */
function rowJson(row: Row): string {
  return JSON.stringify(sorted(row)).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Keys in order, as Docker's JSON of a row has them. */
function sorted(row: Row): Row {
  return Object.fromEntries(Object.entries(row).sort(([a], [b]) => (a < b ? -1 : 1)));
}
