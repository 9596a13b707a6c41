/** Environment and label values: from flags, and from files with one a line. */

import { isUtf8 } from 'node:buffer';
import { readFileSync } from 'node:fs';

type Env = Readonly<Record<string, string | undefined>>;

/** The lines of --env-file and --label-file. A name without a value takes it from `lookup`, and is left out when there is none. */
export function readKeyValueFile(path: string, lookup?: (name: string) => string | undefined): string[] {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT') throw new Error(`open ${path}: no such file or directory`, { cause: error });
    if (code === 'EACCES') throw new Error(`open ${path}: permission denied`, { cause: error });
    if (code === 'EISDIR')
      throw new Error(`invalid env file (${path}): read ${path}: is a directory`, { cause: error });
    throw error;
  }
  if (!isUtf8(bytes)) {
    const list = bytes.toString('latin1').split('\n');
    const at = list.findIndex((line) => !isUtf8(Buffer.from(line, 'latin1')));
    const shown = [...Buffer.from(list[at]!, 'latin1')].join(' ');
    throw new Error(`invalid env file (${path}): invalid utf8 bytes at line ${at + 1}: [${shown}]`);
  }
  // Of a byte order mark only the one at the start is no text.
  const text = new TextDecoder().decode(bytes);
  const lines: string[] = [];
  for (const raw of text.split('\n')) {
    const line = raw.replace(/\r$/, '').replace(/^[^\S\uFEFF]+/, '');
    if (line === '' || line.startsWith('#')) continue;
    const equals = line.indexOf('=');
    const name = equals < 0 ? line : line.slice(0, equals);
    if (name === '') throw new Error(`invalid env file (${path}): no variable name on line '${line}'`);
    if (/[^\S\uFEFF]/.test(name))
      throw new Error(`invalid env file (${path}): variable '${name}' contains whitespaces`);
    if (equals >= 0) {
      lines.push(line);
    } else {
      const value = lookup?.(name);
      if (value !== undefined) lines.push(`${name}=${value}`);
    }
  }
  return lines;
}

/** All variables of a container: the files' first, then the flags' (a bare name takes the client's value). */
export function environment(files: readonly string[], flags: readonly string[], env: Env): string[] {
  const lookup = (name: string) => env[name];
  const lines = files.flatMap((path) => readKeyValueFile(path, lookup));
  for (const flag of flags) {
    const value = flag.includes('=') ? undefined : env[flag];
    lines.push(value === undefined ? flag : `${flag}=${value}`);
  }
  return lines;
}

/** ["a=b", "c"] as an object; a value that is not there is "". */
export function toMap(pairs: readonly string[]): Record<string, string> {
  const map: Record<string, string> = {};
  for (const pair of pairs) {
    const equals = pair.indexOf('=');
    if (equals < 0) map[pair] = '';
    else map[pair.slice(0, equals)] = pair.slice(equals + 1);
  }
  return map;
}

/** The fields of one CSV record (RFC 4180 quoting), as --mount, --network and --gpus take them. */
export function csvFields(text: string): string[] {
  const fields: string[] = [];
  let index = 0;
  for (;;) {
    let field = '';
    if (text[index] === '"') {
      index++;
      for (;;) {
        const quote = text.indexOf('"', index);
        if (quote < 0)
          throw new Error(`parse error on line 1, column ${text.length + 1}: extraneous or missing " in quoted-field`);
        field += text.slice(index, quote);
        index = quote + 1;
        if (text[index] !== '"') break;
        field += '"';
        index++;
      }
      if (index < text.length && text[index] !== ',') {
        throw new Error(`parse error on line 1, column ${index + 1}: extraneous or missing " in quoted-field`);
      }
    } else {
      const comma = text.indexOf(',', index);
      field = text.slice(index, comma < 0 ? text.length : comma);
      const quote = field.indexOf('"');
      if (quote >= 0) throw new Error(`parse error on line 1, column ${index + quote + 1}: bare " in non-quoted-field`);
      index += field.length;
    }
    fields.push(field);
    if (index >= text.length) return fields;
    index++;
  }
}
