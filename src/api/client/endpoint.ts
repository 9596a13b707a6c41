/** Where an engine listens, and how to open a byte stream to it. */

import net from 'node:net';
import type { Duplex } from 'node:stream';
import type { ConnectionOptions } from 'node:tls';

export type Endpoint =
  | { readonly kind: 'unix'; readonly path: string; readonly display: string }
  | {
      readonly kind: 'tcp';
      readonly host: string;
      readonly port: number;
      /** Path that stands before the API's own, as in tcp://host:port/prefix. */
      readonly prefix?: string;
      readonly tls?: ConnectionOptions;
      readonly display: string;
    }
  | {
      readonly kind: 'ssh';
      readonly host: string;
      readonly user?: string;
      readonly port?: string;
      readonly path?: string;
      readonly display: string;
    };

/** Opens a stream; errors come as its 'error' event. Half-open is allowed: the server's end leaves our side usable. */
export function openStream(endpoint: Endpoint): Duplex {
  switch (endpoint.kind) {
    case 'unix':
      return net.connect({ path: endpoint.path, allowHalfOpen: true });
    case 'tcp':
      if (endpoint.tls) return openTls(endpoint.host, endpoint.port, endpoint.tls);
      return net.connect({
        host: endpoint.host,
        port: endpoint.port,
        allowHalfOpen: true,
        noDelay: true,
        keepAlive: true,
      });
    case 'ssh':
      return openSsh(endpoint);
  }
}

function openTls(host: string, port: number, options: ConnectionOptions): Duplex {
  const tls = process.getBuiltinModule('node:tls') as typeof import('node:tls');
  const socket = tls.connect({
    host,
    port,
    ...(net.isIP(host) ? {} : { servername: host }),
    ...options,
    allowHalfOpen: true,
  } as ConnectionOptions);
  socket.setNoDelay(true);
  return socket;
}

/** The far side's own CLI joins its stdin and stdout to the engine's socket (`system dial-stdio`). */
function openSsh(endpoint: Extract<Endpoint, { kind: 'ssh' }>): Duplex {
  const { spawn } = process.getBuiltinModule('node:child_process') as typeof import('node:child_process');
  const { Duplex: DuplexStream } = process.getBuiltinModule('node:stream') as typeof import('node:stream');
  const args = ['-o', 'ConnectTimeout=30', '-T'];
  if (endpoint.user) args.push('-l', endpoint.user);
  if (endpoint.port) args.push('-p', endpoint.port);
  const host = endpoint.path ? `--host unix://${endpoint.path} ` : '';
  args.push('--', endpoint.host);
  args.push(
    `sh -c 'for c in gantry docker; do command -v $c >/dev/null && exec $c ${host}system dial-stdio; done; exit 127'`,
  );
  // A session of its own keeps the terminal's Ctrl-C away from ssh while a container is attached.
  const child = spawn('ssh', args, { stdio: ['pipe', 'pipe', 'inherit'], detached: true });
  const stream = DuplexStream.from({ readable: child.stdout, writable: child.stdin } as never) as Duplex;
  child.on('error', (error) => stream.destroy(error));
  child.on('exit', (code) => {
    if (code !== 0 && code !== null)
      stream.destroy(new Error(`command [ssh ${args.join(' ')}] has exited with exit status ${code}`));
  });
  stream.on('close', () => child.kill());
  return stream;
}
