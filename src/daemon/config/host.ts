/** One place to listen at, from a -H flag. */
export type Host =
  | { kind: 'unix'; path: string }
  | { kind: 'tcp'; host: string; port: number }
  /** Sockets that systemd opened; null for all of them. */
  | { kind: 'fd'; fd: number | null };

/** Reads a -H argument: unix://PATH, tcp://HOST:PORT, fd://, HOST:PORT. Throws Error worded as dockerd does. */
export function parseHost(text: string, tls: boolean, defaultSocket = '/run/gantry/gantry.sock'): Host {
  const given = text.trim();
  const bad = () => new Error(`invalid bind address format: ${text}`);
  const split = /^([a-z]+):\/\/(.*)$/.exec(given);
  const [scheme, rest] = split === null ? ['tcp', given] : [split[1]!, split[2]!];
  switch (scheme) {
    case 'unix':
      if (rest.includes('://')) throw new Error(`invalid proto, expected unix: ${rest}`);
      return { kind: 'unix', path: rest === '' ? defaultSocket : rest };
    case 'fd':
      if (rest === '' || rest === '*') return { kind: 'fd', fd: null };
      if (!/^\d+$/.test(rest) || Number(rest) < 3) {
        throw new Error(`failed to parse systemd fd address: should be a number: ${rest}`);
      }
      return { kind: 'fd', fd: Number(rest) };
    case 'tcp': {
      const standard = tls ? 2376 : 2375;
      if (rest === '') return { kind: 'tcp', host: '127.0.0.1', port: standard };
      const found = /^(\[[0-9a-fA-F:.%a-z0-9]+\]|[^:/[\]]*)(?::(\d*))?\/?$/.exec(rest);
      if (found === null) throw bad();
      const port = found[2] === undefined || found[2] === '' ? standard : Number(found[2]);
      if (port > 65535 || (split === null && found[2] === undefined)) throw bad();
      return { kind: 'tcp', host: found[1]!.replace(/^\[|\]$/g, '') || '127.0.0.1', port };
    }
    default:
      throw bad();
  }
}

export function showHost(host: Host): string {
  if (host.kind === 'unix') return `unix://${host.path}`;
  if (host.kind === 'fd') return `fd://${host.fd ?? ''}`;
  return `tcp://${host.host.includes(':') ? `[${host.host}]` : host.host}:${host.port}`;
}
