import type { Port } from '../../api/schemas/container.ts';

interface Group {
  first: number;
  last: number;
}

/** The PORTS column: published ports with their address, exposed ones alone, runs of numbers as ranges. */
export function displayPorts(ports: readonly Port[]): string {
  const groups = new Map<string, Group>();
  const published: string[] = [];
  const exposed: string[] = [];
  const flush = (key: string): void => {
    const group = groups.get(key)!;
    const [address, type] = key.split('/') as [string, string];
    const range = group.first === group.last ? `${group.first}` : `${group.first}-${group.last}`;
    if (address === '') exposed.push(`${range}/${type}`);
    else published.push(`${address}:${range}->${range}/${type}`);
    groups.delete(key);
  };
  const sorted = [...ports].sort(
    (a, b) =>
      (a.PrivatePort ?? 0) - (b.PrivatePort ?? 0) ||
      compare(a.IP ?? '', b.IP ?? '') ||
      (a.PublicPort ?? 0) - (b.PublicPort ?? 0) ||
      compare(a.Type ?? '', b.Type ?? ''),
  );
  for (const port of sorted) {
    const number = port.PrivatePort ?? 0;
    const type = port.Type ?? 'tcp';
    let key = `/${type}`;
    if (port.IP) {
      const address = port.IP.includes(':') ? `[${port.IP}]` : port.IP;
      if (port.PublicPort !== number) {
        published.push(`${address}:${port.PublicPort}->${number}/${type}`);
        continue;
      }
      key = `${address}/${type}`;
    }
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { first: number, last: number });
    else if (number === group.last + 1) group.last = number;
    else if (number !== group.last) {
      flush(key);
      groups.set(key, { first: number, last: number });
    }
  }
  for (const key of [...groups.keys()]) flush(key);
  return [...published, ...exposed].join(', ');
}

/** By bytes, as Go does: 0.0.0.0 comes before ::. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
