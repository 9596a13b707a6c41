import { StatusError } from '../command.ts';
import { alignTabs } from './table.ts';
import { HEADER_FUNCTIONS } from './template/functions.ts';
import { Template, TemplateError } from './template/template.ts';
import { AS_JSON, TYPE } from './template/values.ts';

/** A listed object: fields as text, methods ({{.Label "x"}}) as functions. */
export type Row = Record<string, unknown>;

export interface Listing {
  /** Column title of each field, for `table` formats. */
  headers: Record<string, string>;
  /** Format used when the user gives none. */
  table: string;
  /** Field printed by --quiet. */
  quiet: string;
  /** What messages call the rows' type. */
  type: string;
  /** The format named "raw": its lines, and what --quiet leaves of them. */
  raw?: { lines: string; quiet: string };
}

export interface RowOptions {
  /** --format, or '' for the default (or what the config file says). */
  format: string;
  quiet: boolean;
}

/** Text of a list command: "table", "table TEMPLATE", "json", "raw" or a template a line. Throws for a template that does not work. */
export function formatRows(listing: Listing, rows: readonly Row[], options: RowOptions): string {
  const format = wanted(listing, options);
  if (format === 'json') return rows.map((row) => `${rowJson(row)}\n`).join('');
  const isTable = format.startsWith('table');
  const source = (isTable ? format.slice('table'.length) : format)
    .replace(/^ +| +$/g, '')
    .replaceAll('\\t', '\t')
    .replaceAll('\\n', '\n');
  const lines: string[] = [];
  try {
    const template = new Template(source, { strict: true });
    for (const row of rows) lines.push(template.execute(structRow(listing.type, row)));
    if (isTable) lines.unshift(header(listing, source));
  } catch (error) {
    throw new StatusError(1, `template parsing error: ${(error as Error).message}`);
  }
  const text = lines.map((line) => `${line}\n`).join('');
  return isTable ? alignTabs(text) : text;
}

function wanted(listing: Listing, { format, quiet }: RowOptions): string {
  if (format === 'raw' && listing.raw) return quiet ? listing.raw.quiet : listing.raw.lines;
  if (format !== '' && format !== 'table') return format;
  return quiet ? `{{.${listing.quiet}}}` : listing.table;
}

/** The fields' titles in the rows' place. What a title cannot be used for ends the line there, as with Docker. */
function header(listing: Listing, source: string): string {
  const row: Row = { ...listing.headers };
  // A method gives its last argument's title, as Docker's Label does.
  row.Label = (name: string) => name.slice(name.lastIndexOf('.') + 1).replaceAll(/[-_]/g, ' ');
  try {
    return new Template(source, { functions: HEADER_FUNCTIONS }).execute(row);
  } catch (error) {
    if (error instanceof TemplateError) return error.output;
    throw error;
  }
}

/** What --format does with a row of nothing: finds what does not parse and fields that are not there, without any data. */
export function checkRowFormat(listing: Listing, row: Row, format: string): void {
  let template: Template;
  try {
    template = new Template(format, { strict: true });
  } catch (error) {
    throw new StatusError(1, `failed to parse template: ${(error as Error).message}`);
  }
  try {
    template.execute(structRow(listing.type, row));
  } catch (error) {
    // Other mistakes may lie in the emptiness of the row.
    if (error instanceof TemplateError && error.field)
      throw new StatusError(1, `failed to execute template: ${error.message}`);
  }
}

/** Go's encoder makes JSON that may stand in HTML; scripts that compare whole lines know it so. */
function htmlSafe(json: string): string {
  return json.replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function rowJson(row: Row): string {
  return htmlSafe(JSON.stringify(sorted(row)));
}

/** The row with its type's name; as JSON ({{json .}}) it is what "json" prints. */
export function structRow(type: string, row: Row): Row {
  const json = () =>
    Object.fromEntries(
      Object.entries(sorted(row))
        .filter(([, value]) => typeof value !== 'function')
        .map(([key, value]) => [key, rawJson(htmlSafe(JSON.stringify(value ?? null)))]),
    );
  return Object.defineProperties(
    {},
    {
      ...Object.getOwnPropertyDescriptors(row),
      [TYPE]: { value: type },
      [AS_JSON]: { get: json },
    },
  );
}

/** Text that JSON.stringify takes as it is. */
function rawJson(text: string): unknown {
  return (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(text);
}

/** Keys in order, as Docker's JSON of a row has them. */
function sorted(row: Row): Row {
  return Object.fromEntries(Object.entries(row).sort(([a], [b]) => (a < b ? -1 : 1)));
}
