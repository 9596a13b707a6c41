import type { Duplex } from 'node:stream';
import { GantryError, messageOf } from '../../api/errors.ts';
import type { LogMark, Monitor } from '../../runtime/contract.ts';
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
  // One that ends while its log is read is not waited for: what it has put out is then all in the log.
  const wasRunning = container.running;
  let live: Live | null = null;
  const goLive = async () => {
    if (wasRunning && !container.running) return null;
    live = await connectNowOrAtStart(container, client, request, deps);
    return live?.mark ?? null;
  };
  if (request.logs) {
    try {
      await replay(container, request, client, deps, request.stream ? goLive : null);
    } catch (error) {
      deps.context.log.warn('reading logs for an attach', { container: container.id, error: messageOf(error) });
      // With a log that cannot be read there is still what comes.
      if (request.stream && live === null && !client.destroyed) await goLive();
    }
  } else if (request.stream) await goLive();
  if (live === null) {
    closeClient(client);
    return;
  }
  await serve(container, request, client, live, keys);
}

/** A stream of the monitor's, and with logs the place in them from which it goes on. */
interface Live {
  stream: Duplex;
  mark: LogMark | null;
}

/** Joins the two until either ends or the client detaches. */
async function serve(
  container: Container,
  request: AttachRequest,
  client: Duplex,
  live: Live,
  keys: Buffer,
): Promise<void> {
  const { config } = container.record;
  const tty = config.Tty === true;
  const stdin = request.stdin && config.OpenStdin === true;
  const detached = await bridge(client, live.stream, {
    stdin,
    endOfInput: config.StdinOnce === true && !tty ? 'forward' : tty ? 'ignore' : 'detach',
    detachKeys: tty && stdin ? keys : null,
    ...(!tty && !request.framed ? { transform: new Unframer() } : {}),
  });
  if (detached) container.event('detach');
}

/** null when the container will not start, its monitor does not answer or the client has gone. */
function connectNowOrAtStart(
  container: Container,
  client: Duplex,
  request: AttachRequest,
  deps: AttachDeps,
): Promise<Live | null> {
  return new Promise((resolve) => {
    const gone = () => {
      container.pendingAttaches.delete(pending);
      resolve(null);
    };
    // The start waits for the stream to be there, not for its end.
    const connect = async (running: Monitor) => {
      try {
        const wanted = {
          stdin: request.stdin && container.record.config.OpenStdin === true,
          stdout: request.stdout,
          stderr: request.stderr,
        };
        const live = request.logs
          ? await running.attachAtMark(wanted)
          : { stream: await running.attach(wanted), mark: null };
        if (client.destroyed) live.stream.destroy();
        resolve(client.destroyed ? null : live);
      } catch (error) {
        deps.context.log.warn('attaching to a container', { container: container.id, error: messageOf(error) });
        resolve(null);
      } finally {
        client.off('close', gone);
      }
    };
    const pending: PendingAttach = { connect, cancel: () => resolve(null) };
    if (client.destroyed) {
      resolve(null);
      return;
    }
    client.once('close', gone);
    if (container.monitor !== null && container.running) void connect(container.monitor);
    else container.pendingAttaches.add(pending);
  });
}

/**
 * What was put out before, at the client's pace. `goLive`: takes up the stream that goes on from there; the log is read to that very
 * place, whatever was written meanwhile.
 */
async function replay(
  container: Container,
  request: AttachRequest,
  client: Duplex,
  deps: AttachDeps,
  goLive: (() => Promise<LogMark | null>) | null,
): Promise<void> {
  const aborted = new AbortController();
  client.once('close', () => aborted.abort());
  const blocks = readLogs(container.record, deps.logDrivers, {
    ...{ stdout: request.stdout, stderr: request.stderr, timestamps: false, details: false },
    framed: request.framed && container.record.config.Tty !== true,
    ...{ since: null, until: null, tail: null, follow: null, signal: aborted.signal },
    ...(goLive === null ? {} : { upTo: goLive }),
  });
  for await (const block of blocks) {
    if (client.destroyed) return;
    if (!client.write(block)) {
      await new Promise((resolve) => client.once('drain', resolve).once('close', resolve));
    }
  }
}
