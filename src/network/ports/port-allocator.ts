import { closeSync, readFileSync } from 'node:fs';
import { errnoOf, GantryError } from '../../api/errors.ts';
import { holdPort, type PortProtocol } from '../../linux/port-socket.ts';
import { addressBytes, isAny, isIpv6Address } from './address.ts';
import type { PublishedPort } from './contract.ts';

/** The kernel's default for ip_local_port_range. */
const DEFAULT_RANGE: [number, number] = [32768, 60999];
/** As Go words them, and so Docker's users know them. */
const WORDS: Record<string, string> = {
  EADDRINUSE: 'address already in use',
  EADDRNOTAVAIL: 'cannot assign requested address',
  EACCES: 'permission denied',
};

/** For a test of the bookkeeping alone. */
export interface PortHolder {
  hold(address: Uint8Array, port: number, protocol: PortProtocol, keep: boolean): number;
  release(fd: number): void;
}

const KERNEL: PortHolder = { hold: holdPort, release: closeSync };

export interface AllocatorOptions {
  /**
   * So many sockets stay open, so that no other program takes a port that is published. Beyond it a port is tried, and let go of again:
   * 10,000 published ports must not cost 20,000 descriptors and 40 MB of the kernel. A program that binds one later is not refused then,
   * and gets no packets.
   */
  heldAtMost: number;
  holder?: PortHolder;
  /** A port that the daemon itself listens on for published ports may be published as well: rules come before it. */
  isOwn?: (address: string, port: number) => boolean;
  /** First and last port of the kernel's own choosing. */
  ephemeral?: () => [number, number];
}

/** Ports of the host that are ours. A port is taken by binding it, so that whoever else has it is found out before a container starts. */
export class PortAllocator {
  readonly #options: AllocatorOptions;
  readonly #holder: PortHolder;
  /** protocol/port to the addresses it is taken on, with the socket that holds it (undefined: not held). */
  readonly #taken = new Map<string, Map<string, number | undefined>>();
  /** Where the last search in a range ended. */
  readonly #last = new Map<string, number>();
  #held = 0;

  constructor(options: AllocatorOptions) {
    this.#options = options;
    this.#holder = options.holder ?? KERNEL;
  }

  /**
   * Takes one port on all the addresses, of first to last (0 and 0: the ephemeral range), and returns it.
   * @throws GantryError system when there is none
   */
  take(addresses: readonly string[], protocol: PortProtocol, first: number, last: number): number {
    if (first !== 0 && first === last) {
      this.#takeOne(addresses, protocol, first);
      return first;
    }
    const [from, to] = first === 0 ? (this.#options.ephemeral ?? ephemeralRange)() : [first, last];
    const range = `${addresses[0]} ${protocol} ${from}-${to}`;
    let port = this.#last.get(range) ?? to;
    let refusal: unknown;
    for (let tried = from; tried <= to; tried++) {
      port = port >= to ? from : port + 1;
      if (addresses.some((address) => this.#conflict(address, protocol, port))) continue;
      try {
        this.#takeOne(addresses, protocol, port);
        this.#last.set(range, port);
        return port;
      } catch (error) {
        // Another port of the range does no better where the address is not the host's.
        if (errnoOf((error as Error).cause) !== 'EADDRINUSE') throw error;
        refusal = error;
      }
    }
    throw refusal ?? new GantryError('system', 'all ports are allocated');
  }

  /** Gives a port back. One that is not taken is no failure. */
  release(address: string, protocol: PortProtocol, port: number): void {
    const key = `${protocol}/${port}`;
    const holders = this.#taken.get(key);
    const fd = holders?.get(address);
    holders?.delete(address);
    if (holders?.size === 0) this.#taken.delete(key);
    if (fd === undefined) return;
    this.#held -= 1;
    this.#holder.release(fd);
  }

  /** The port of a container that has lived on without the daemon: it stays ours, whoever has it meanwhile. Returns whether it is free. */
  retake(address: string, protocol: PortProtocol, port: number): boolean {
    try {
      this.#takeOne([address], protocol, port);
      return true;
    } catch {
      this.#note(address, protocol, port, undefined);
      return false;
    }
  }

  /** Closes the socket that holds a port, for whoever is to listen on it. The port stays taken. */
  handOver(address: string, protocol: PortProtocol, port: number): void {
    const holders = this.#taken.get(`${protocol}/${port}`);
    const fd = holders?.get(address);
    if (fd === undefined) return;
    holders!.set(address, undefined);
    this.#held -= 1;
    this.#holder.release(fd);
  }

  /** Gives all back. */
  close(): void {
    for (const [key, holders] of [...this.#taken]) {
      const [protocol, port] = key.split('/');
      for (const address of [...holders.keys()]) this.release(address, protocol as PortProtocol, Number(port));
    }
  }

  #takeOne(addresses: readonly string[], protocol: PortProtocol, port: number): void {
    const done: string[] = [];
    try {
      for (const address of addresses) {
        if (this.#conflict(address, protocol, port)) {
          throw new GantryError('system', `Bind for ${address}:${port} failed: port is already allocated`);
        }
        this.#note(address, protocol, port, this.#bind(address, protocol, port));
        done.push(address);
      }
    } catch (error) {
      for (const address of done) this.release(address, protocol, port);
      throw error;
    }
  }

  #bind(address: string, protocol: PortProtocol, port: number): number | undefined {
    try {
      const keep = this.#held < this.#options.heldAtMost;
      const fd = this.#holder.hold(addressBytes(address), port, protocol, keep);
      if (keep) {
        this.#held += 1;
        return fd;
      }
      this.#holder.release(fd);
      return undefined;
    } catch (cause) {
      const code = errnoOf(cause);
      if (code === 'EADDRINUSE' && this.#options.isOwn?.(address, port) === true) return undefined;
      // A kernel without SCTP can forward it all the same, and nobody listens for it here.
      if (protocol === 'sctp' && (code === 'EPROTONOSUPPORT' || code === 'ESOCKTNOSUPPORT')) return undefined;
      throw bindFailure({ hostIp: address, protocol, hostPort: port }, cause);
    }
  }

  /** Every address takes the port on each of its family, and the other way round. */
  #conflict(address: string, protocol: PortProtocol, port: number): boolean {
    const holders = this.#taken.get(`${protocol}/${port}`);
    if (holders === undefined) return false;
    if (holders.has(address)) return true;
    return [...holders.keys()].some(
      (other) => isIpv6Address(other) === isIpv6Address(address) && (isAny(other) || isAny(address)),
    );
  }

  #note(address: string, protocol: PortProtocol, port: number, fd: number | undefined): void {
    const key = `${protocol}/${port}`;
    const holders = this.#taken.get(key) ?? new Map<string, number | undefined>();
    holders.set(address, fd);
    this.#taken.set(key, holders);
  }
}

/** As dockerd words it. */
export function bindFailure(
  { hostIp, protocol, hostPort }: Omit<PublishedPort, 'containerPort'>,
  cause: unknown,
): GantryError {
  const words = WORDS[errnoOf(cause) ?? ''] ?? (cause as Error).message;
  return new GantryError('system', `failed to bind host port ${shown(hostIp)}:${hostPort}/${protocol}: ${words}`, {
    cause,
  });
}

function ephemeralRange(): [number, number] {
  try {
    const [first = 0, last = 0] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8')
      .trim()
      .split(/\s+/)
      .map(Number);
    return first > 0 && last >= first ? [first, last] : DEFAULT_RANGE;
  } catch {
    return DEFAULT_RANGE;
  }
}

function shown(address: string): string {
  return isIpv6Address(address) ? `[${address}]` : address;
}
