import { StatusError } from '../command.ts';
import { goView, MAPS } from './go-view.ts';
import { Template } from './template/template.ts';

/** Text of `inspect`: indented JSON of the list, or a line an object with --format (a Go template, or "json"). */
export function formatInspected(objects: readonly unknown[], format: string): string {
  if (format === '') return `${JSON.stringify(objects, null, 4)}\n`;
  if (format === 'json') return `${JSON.stringify(objects)}\n`;
  const template = parse(format, '');
  try {
    return objects.map((object) => `${execute(template, object)}\n`).join('');
  } catch (error) {
    throw new StatusError(1, `template parsing error: ${(error as Error).message}`);
  }
}

/** Go's types first; what they do not allow may still be in the JSON. The message is then that of the second run. */
function execute(template: Template, object: unknown): string {
  try {
    return template.execute(goView(object));
  } catch {
    return template.execute(object);
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
  return `${execute(parse(format, name), object)}\n`;
}
