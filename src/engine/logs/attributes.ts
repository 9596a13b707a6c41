/** What the options labels, labels-regex, env, env-regex and tag add to log lines. */
import { hostname } from 'node:os';
import { GantryError, notSupportedYet } from '../../api/errors.ts';
import type { ContainerRecord } from '../container-record.ts';

/** Options of which logAttributes() makes use. */
export const ATTRIBUTE_OPTIONS = ['env', 'env-regex', 'labels', 'labels-regex', 'tag'] as const;

/** Throws invalid_parameter for a bad expression or template. */
export function validateAttributeOptions(options: Record<string, string>): void {
  for (const name of ['labels-regex', 'env-regex']) expression(options[name]);
  if (options.tag !== undefined) renderTag(options.tag, null);
}

/** Attributes by name, sorted; {} when the options ask for none. */
export function logAttributes(record: ContainerRecord, options: Record<string, string>): Record<string, string> {
  const found: Record<string, string> = {};
  const labels = record.config.Labels ?? {};
  pick(found, labels, options.labels, options['labels-regex']);
  const env: Record<string, string> = {};
  for (const entry of record.config.Env ?? []) {
    const at = entry.indexOf('=');
    if (at >= 0) env[entry.slice(0, at)] = entry.slice(at + 1);
  }
  pick(found, env, options.env, options['env-regex']);
  if (options.tag !== undefined && options.tag !== '') found.tag = renderTag(options.tag, record);
  return Object.fromEntries(Object.entries(found).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function pick(
  found: Record<string, string>,
  values: Record<string, string>,
  names: string | undefined,
  regex: string | undefined,
): void {
  for (const name of (names ?? '').split(',')) if (name in values) found[name] = values[name]!;
  const pattern = expression(regex);
  if (pattern !== null) {
    for (const [name, value] of Object.entries(values)) if (pattern.test(name)) found[name] = value;
  }
}

function expression(text: string | undefined): RegExp | null {
  if (text === undefined || text === '') return null;
  try {
    return new RegExp(text);
  } catch (cause) {
    throw new GantryError('invalid_parameter', `error parsing regexp: ${text}`, { cause });
  }
}

const FIELDS: Record<string, (record: ContainerRecord) => string> = {
  ID: (record) => record.id.slice(0, 12),
  FullID: (record) => record.id,
  Name: (record) => record.name,
  ImageID: (record) => record.imageId.replace(/^sha256:/, '').slice(0, 12),
  ImageFullID: (record) => record.imageId,
  ImageName: (record) => record.config.Image ?? '',
  Command: (record) => [record.path, ...record.args].join(' '),
  Hostname: () => hostname(),
  DaemonName: () => 'docker',
};

/** Fills a tag template in; with null only checks it. */
function renderTag(template: string, record: ContainerRecord | null): string {
  return template.replace(/\{\{(.*?)\}\}/gs, (action, inner: string) => {
    const name = /^-?\s*\.([A-Za-z]+)\s*-?$/.exec(inner)?.[1];
    const field = name === undefined ? undefined : FIELDS[name];
    if (field === undefined) throw notSupportedYet(`log tag template ${action}`);
    return record === null ? '' : field(record);
  });
}
