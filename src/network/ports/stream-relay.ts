import { connect, type Socket } from 'node:net';

export interface RelayTarget {
  address: string;
  port: number;
}

/** Carries connections of clients to containers, byte for byte in both directions. */
export class StreamRelay {
  readonly #connections = new Set<Socket>();

  /** @param client paused: what it sends before the container has answered waits in the kernel */
  relay(client: Socket, target: RelayTarget): void {
    const server = connect({ host: target.address, port: target.port, allowHalfOpen: true });
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#connections.add(one);
      // What one side does, the other is told of: the end of its data, and a connection that broke.
      one.on('error', () => other.resetAndDestroy());
      one.on('close', () => {
        this.#connections.delete(one);
        if (!one.readableEnded) other.destroy();
      });
      one.setNoDelay(true);
      one.pipe(other);
    }
  }

  close(): void {
    for (const connection of this.#connections) connection.destroy();
  }
}
