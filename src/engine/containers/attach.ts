import type { Duplex } from 'node:stream';
import { GantryError, messageOf } from '../../api/errors.ts';
import type { Monitor } from '../../runtime/contract.ts';
import type { EngineContext } from '../context.ts';
import type { LogDrivers } from '../logs/log-drivers.ts';
import { bridge, closeClient } from './bridge.ts';
import type { Container, PendingAttach } from './container.ts';
import { parseDetachKeys } from './detach-keys.ts';
import { Unframer } from './frames.ts';
import { readLogs } from './read-logs.ts';

export interface AttachRequest {
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  /** Live output and input. */
  stream: boolean;
  /** What was put out before. */
  logs: boolean;
  /** Override of the default detach keys, '' for those. */
  detachKeys: string;
  /** Frames around non-terminal output; websockets go without. */
  framed: boolean;
}

export interface AttachDeps {
  context: EngineContext;
  logDrivers: LogDrivers;
}

/**
 * Attaches a client to a container (Engine API, ContainerAttach). `open` takes the client's connection over and is called once nothing can be
 * refused any more. To a container that does not run the client is connected when it starts, before its first byte of
 * output. Resolves when the client is served.
 */
export async function attach(
  container: Container,
  request: AttachRequest,
  open: () => Duplex | Promise<Duplex>,
  deps: AttachDeps,
): Promise<void> {
  const keys = parseDetachKeys(request.detachKeys);
  const { status } = container.record.state;
  if (status === 'paused') {
    throw new GantryError('conflict', `container ${container.id} is paused, unpause the container before attach`);
  }
  if (status === 'restarting') {
    throw new GantryError('conflict', `container ${container.id} is restarting, wait until the container is running`);
  }
  const client = await open();
  // A client that vanishes early must not bring the daemon down.
  client.on('error', () => {});
  container.event('attach');
  if (request.logs) {
    try {
      await replay(container, request, client, deps);
    } catch (error) {
      deps.context.log.warn('reading logs for an attach', { container: container.id, error: messageOf(error) });
    }
  }
  if (!request.stream) {
    closeClient(client);
    return;
  }
  const monitor = await monitorOf(container, client);
  if (monitor === null) {
    closeClient(client);
    return;
  }
  const { config } = container.record;
  const tty = config.Tty === true;
  const stdin = request.stdin && config.OpenStdin === true;
  const detached = await bridge(client, monitor.stream, {
    stdin,
    endOfInput: config.StdinOnce === true && !tty ? 'forward' : tty ? 'ignore' : 'detach',
    detachKeys: tty && stdin ? keys : null,
    ...(!tty && !request.framed ? { transform: new Unframer() } : {}),
  });
  monitor.over();
  if (detached) container.event('detach');

  /** Connects now, or when the container starts; null when that will not be or the client has gone. */
  function monitorOf(target: Container, peer: Duplex): Promise<{ stream: Duplex; over(): void } | null> {
    return new Promise((resolve) => {
      // The start waits for the stream to be there, not for its end.
      const connect = async (running: Monitor) => {
        try {
          const stream = await running.attach({
            stdin: request.stdin && target.record.config.OpenStdin === true,
            stdout: request.stdout,
            stderr: request.stderr,
          });
          resolve({ stream, over: () => peer.off('close', gone) });
        } catch (error) {
          deps.context.log.warn('attaching to a container', { container: target.id, error: messageOf(error) });
          resolve(null);
        }
      };
      const pending: PendingAttach = { connect, cancel: () => resolve(null) };
      const gone = () => {
        target.pendingAttaches.delete(pending);
        resolve(null);
      };
      if (target.monitor !== null && target.running) {
        void connect(target.monitor);
        return;
      }
      if (peer.destroyed) {
        resolve(null);
        return;
      }
      peer.once('close', gone);
      target.pendingAttaches.add(pending);
    });
  }
}

async function replay(container: Container, request: AttachRequest, client: Duplex, deps: AttachDeps): Promise<void> {
  const aborted = new AbortController();
  client.once('close', () => aborted.abort());
  const blocks = readLogs(container.record, deps.logDrivers, {
    ...{ stdout: request.stdout, stderr: request.stderr, timestamps: false, details: false },
    framed: request.framed && container.record.config.Tty !== true,
    ...{ since: null, until: null, tail: null, follow: null, signal: aborted.signal },
  });
  for await (const block of blocks) {
    if (client.destroyed) return;
    if (!client.write(block)) {
      await new Promise((resolve) => client.once('drain', resolve).once('close', resolve));
    }
  }
}
