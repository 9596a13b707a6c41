import { StatusError } from '../command.ts';
import { Template } from './template/template.ts';

/** Fields of inspected objects that are maps with keys of the user's. */
const MAPS: ReadonlySet<string> = new Set([
  'Labels',
  'Options',
  'Networks',
  'Ports',
  'PortBindings',
  'ExposedPorts',
  'Volumes',
  'Sysctls',
  'Tmpfs',
  'Config',
  'Data',
  'StorageOpt',
  'Annotations',
  'DriverOpts',
  'Containers',
]);

/** Text of `inspect`: indented JSON of the list, or a line an object with --format (a Go template, or "json"). */
export function formatInspected(objects: readonly unknown[], format: string): string {
  if (format === '') return `${JSON.stringify(objects, null, 4)}\n`;
  if (format === 'json') return `${JSON.stringify(objects)}\n`;
  const template = parse(format, '');
  try {
    return objects.map((object) => `${template.execute(object)}\n`).join('');
  } catch (error) {
    throw new StatusError(1, `template parsing error: ${(error as Error).message}`);
  }
}

/** A template that does not parse ends the command with docker's status for it. */
function parse(format: string, name: string): Template {
  try {
    return new Template(format, { strict: true, maps: MAPS, name });
  } catch (error) {
    throw new StatusError(64, `template parsing error: ${(error as Error).message}`);
  }
}

/** One object (version, info) by a template or as JSON. `name` is what messages call the template. */
export function formatObject(object: unknown, format: string, name = ''): string {
  if (format === 'json' || format === '{{json .}}') return `${JSON.stringify(object)}\n`;
  return `${parse(format, name).execute(object)}\n`;
}
