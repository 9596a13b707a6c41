import { list } from '../command.ts';

/** --filter: "key=value", checked as docker does. */
export function filterFlag(usage = 'Filter output based on conditions provided', short = 'f') {
  return list(
    short,
    usage,
    (text) => {
      if (text === '') return text;
      if (!text.includes('=')) throw new Error('bad format of filter (expected name=value)');
      const at = text.indexOf('=');
      return `${text.slice(0, at).trim().toLowerCase()}=${text.slice(at + 1).trim()}`;
    },
    { type: 'filter' },
  );
}

/** The `filters` query parameter, or undefined for none. */
export function filterQuery(filters: readonly string[], more: Record<string, string[]> = {}): string | undefined {
  const values: Record<string, string[]> = { ...more };
  for (const filter of filters) {
    if (filter === '') continue;
    const at = filter.indexOf('=');
    const key = filter.slice(0, at);
    values[key] = [...(values[key] ?? []), filter.slice(at + 1)];
  }
  return Object.keys(values).length === 0 ? undefined : JSON.stringify(values);
}
