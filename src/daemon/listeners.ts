import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  unlinkSync,
} from 'node:fs';
import type { Server } from 'node:http';
import type { ServerOptions as TlsServerOptions } from 'node:https';
import { connect, type ListenOptions } from 'node:net';
import { dirname } from 'node:path';
import { errnoOf, messageOf } from '../api/errors.ts';
import type { Logger } from '../engine/context.ts';
import { type ActivatedSocket, takeActivatedSockets } from '../linux/activated-sockets.ts';
import type { DaemonConfig } from './config/daemon-config.ts';
import { DEFAULT_SOCKET } from './config/daemon-config.ts';
import { type Host, parseHost, showHost } from './config/host.ts';

/** Where Docker's tools look when nobody tells them. */
const DOCKER_SOCKET = '/var/run/docker.sock';

export interface ListenersOptions {
  config: DaemonConfig;
  tls: TlsServerOptions | null;
  log: Logger;
  createServer(tls: TlsServerOptions | null): Server;
}

export interface Listeners {
  /** As in `-H`, for messages. */
  readonly addresses: string[];
  /** Removes socket files that are still ours. */
  remove(): void;
}

/** Opens every socket that the configuration names; closes those that are open already when one fails. */
export async function listen(options: ListenersOptions): Promise<Listeners> {
  const { config, tls, log } = options;
  const given = config.list('hosts');
  const activated = takeActivatedSockets();
  // A service manager that opened sockets means them to be used; the default one is most likely among them.
  const standard = activated.length > 0 ? 'fd://' : `unix://${DEFAULT_SOCKET}`;
  // One that is named twice is one, as in dockerd.
  const hosts = given.length === 0 ? [standard] : [...new Set(given)];
  const addresses: string[] = [];
  const undo: (() => void)[] = [];
  try {
    for (const host of hosts.map((text) => parseHost(text, tls !== null, DEFAULT_SOCKET))) {
      const shown = showHost(host);
      if (host.kind === 'unix') undo.push(await listenUnix(options.createServer(null), host.path, config, log));
      else if (host.kind === 'tcp') {
        if (tls === null || !config.bool('tlsverify')) warnOpenTcp(shown, log);
        await listenOn(options.createServer(tls), { host: host.host, port: host.port }, shown);
      } else {
        for (const { fd, local } of activatedOf(host, activated)) {
          if (!local && (tls === null || !config.bool('tlsverify'))) warnOpenTcp(`fd://${fd}`, log);
          await listenOn(options.createServer(local ? null : tls), { fd }, `fd://${fd}`);
        }
      }
      addresses.push(shown);
      log.info(`API listen on ${host.kind === 'unix' ? host.path : shown}`);
    }
    if (given.length === 0 && existsSync(DEFAULT_SOCKET)) {
      undo.push(await offerDockerSocket(DOCKER_SOCKET, DEFAULT_SOCKET, log));
    }
  } catch (error) {
    for (const step of undo) step();
    throw error;
  }
  return {
    addresses,
    remove: () => {
      for (const step of undo) step();
    },
  };
}

async function listenUnix(server: Server, path: string, config: DaemonConfig, log: Logger): Promise<() => void> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  if (await answers(path)) throw new Error(`failed to listen on unix socket ${path}: another daemon answers there`);
  rmSync(path, { force: true });
  // The socket is born closed to everybody else; group and mode are widened after.
  const umask = process.umask(0o177);
  try {
    await listenOn(server, { path }, `unix socket ${path}`);
  } finally {
    process.umask(umask);
  }
  const gid = socketGroup(config.string('group'), log);
  chownSync(path, 0, gid);
  chmodSync(path, 0o660);
  const { ino } = lstatSync(path);
  return () => {
    try {
      if (lstatSync(path).ino === ino) unlinkSync(path);
    } catch {
      // Gone already: node removes the file of a server that it closes.
    }
  };
}

function listenOn(server: Server, where: ListenOptions | { fd: number }, shown: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => reject(new Error(`failed to listen on ${shown}: ${messageOf(cause)}`, { cause })));
    server.listen({ ...where, exclusive: true }, () => resolve());
  });
}

/** Whether somebody serves a unix socket; false for a file that a dead process left. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** The group that may use the socket: the one asked for, else "gantry" or "docker" when they exist, else root. */
function socketGroup(wanted: string, log: Logger): number {
  const groups = new Map(
    readFileSync('/etc/group', 'utf8')
      .split('\n')
      .map((line) => line.split(':'))
      .map(([name = '', , gid = '']) => [name, Number(gid)] as const),
  );
  if (wanted === '') return groups.get('gantry') ?? groups.get('docker') ?? 0;
  const gid = groups.get(wanted) ?? (/^\d+$/.test(wanted) ? Number(wanted) : undefined);
  if (gid !== undefined) return gid;
  // Docker starts without its default group but not without one that was asked for.
  if (wanted !== 'docker') throw new Error(`could not change group of unix socket: group ${wanted} not found`);
  log.warn(`could not change group of unix socket: group ${wanted} not found`);
  return 0;
}

/**
 * Puts a symbolic link to our socket where Docker's tools look, unless something is there: a link shows whose it is, and a
 * dockerd that starts later replaces it without harm. A socket at which nobody answers is no daemon's any more. Returns the
 * function that removes the link.
 */
export async function offerDockerSocket(path: string, ours: string, log: Logger): Promise<() => void> {
  const isOurs = () => {
    try {
      return readlinkSync(path) === ours;
    } catch {
      return false;
    }
  };
  try {
    if (isSocket(path) && !(await answers(path))) rmSync(path);
    if (!isOurs()) symlinkSync(ours, path);
    log.info(`API listen on ${path}`);
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') log.info(`${path} belongs to another daemon; it is left alone`);
    else log.warn(`cannot offer ${path}: ${messageOf(error)}`);
  }
  return () => {
    if (isOurs()) unlinkSync(path);
  };
}

/** A socket and not a link to one, which somebody made on purpose. */
function isSocket(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSocket() ?? false;
}

function activatedOf(host: Extract<Host, { kind: 'fd' }>, activated: ActivatedSocket[]): ActivatedSocket[] {
  if (activated.length === 0) {
    throw new Error('no sockets found via socket activation: make sure the service was started by systemd');
  }
  if (host.fd === null) return activated;
  const one = activated.find(({ fd }) => fd === host.fd);
  if (one === undefined) throw new Error('too few socket activated files passed in by systemd');
  return [one];
}

function warnOpenTcp(host: string, log: Logger): void {
  log.warn(
    'Binding to IP address without --tlsverify is insecure and gives root access on this machine to everyone who has access to your network.',
    { host },
  );
  log.warn(
    'Binding to an IP address, even on localhost, can also give access to scripts run in a browser. Be safe out there!',
    {
      host,
    },
  );
}
