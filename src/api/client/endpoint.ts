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

/** A word as a POSIX shell reads it back. */
const shellWord = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;

/** The far side's own CLI joins its stdin and stdout to the engine's socket (`system dial-stdio`). */
function openSsh(endpoint: Extract<Endpoint, { kind: 'ssh' }>): Duplex {
  const { spawn } = process.getBuiltinModule('node:child_process') as typeof import('node:child_process');
  const { Duplex: DuplexStream } = process.getBuiltinModule('node:stream') as typeof import('node:stream');
  const args = ['-o', 'ConnectTimeout=30', '-T'];
  if (endpoint.user) args.push('-l', endpoint.user);
  if (endpoint.port) args.push('-p', endpoint.port);
  const host = endpoint.path ? `--host ${shellWord(`unix://${endpoint.path}`)} ` : '';
  const script = `for c in gantry docker; do command -v $c >/dev/null && exec $c ${host}system dial-stdio; done; echo "neither gantry nor docker found" >&2; exit 127`;
  args.push('--', endpoint.host, `sh -c ${shellWord(script)}`);
  // A session of its own keeps the terminal's Ctrl-C away from ssh while a container is attached.
  const child = spawn('ssh', args, { stdio: 'pipe', detached: true });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-4096);
  });
  const failure = (why: string) => {
    const text = said.trim();
    return new Error(
      `command [ssh ${args.slice(0, -1).join(' ')} ...] ${why}, make sure the URL is valid, and Gantry or Docker is installed on the remote host${text === '' ? '' : `: stderr=${text}`}`,
    );
  };
  const stream = new DuplexStream({
    read: () => child.stdout.resume(),
    write: (chunk: Buffer, _encoding, done) => {
      // A broken pipe is told by how ssh ends.
      child.stdin.write(chunk, () => done());
    },
    final: (done) => {
      child.stdin.end(() => done());
    },
    destroy: (error, done) => {
      child.kill();
      done(error);
    },
  });
  child.stdin.on('error', () => undefined);
  child.stdout.on('data', (chunk: Buffer) => {
    if (!stream.push(chunk)) child.stdout.pause();
  });
  child.on('error', (error) => stream.destroy(failure(`could not be started (${error.message})`)));
  // After the last output: only then is it known whether its end is a failure.
  child.on('close', (code, signal) => {
    if (code === 0) stream.push(null);
    else if (!stream.destroyed)
      stream.destroy(failure(code === null ? `was ended by ${signal}` : `has exited with exit status ${code}`));
  });
  return stream;
}
