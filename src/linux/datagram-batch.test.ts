import assert from 'node:assert/strict';
import { closeSync } from 'node:fs';
import { test } from 'node:test';
import { DatagramBatch } from './datagram-batch.ts';
import { bindInet, socketAddress } from './inet-socket.ts';

const LOOPBACK = Uint8Array.of(127, 0, 0, 1);

/** Two sockets that know each other's address. */
function pair(): { fd: number; address: Buffer }[] {
  return [0, 1].map(() => {
    const { fd, port } = bindInet('udp', { bytes: LOOPBACK, port: 0 });
    return { fd, address: socketAddress({ bytes: LOOPBACK, port }) };
  });
}

test('datagrams go out and come in by the batch, with their addresses', () => {
  const [one, other] = pair();
  try {
    const batch = new DatagramBatch();
    assert.deepEqual(batch.receive(other!.fd), []);
    const texts = Array.from({ length: 16 }, (_, index) => `datagram ${index}`);
    for (const text of texts) assert.ok(batch.add({ data: Buffer.from(text), address: other!.address }));
    assert.ok(!batch.add({ data: Buffer.from('one too many'), address: other!.address }));
    batch.send(one!.fd);
    batch.add({ data: Buffer.alloc(0), address: other!.address });
    batch.send(one!.fd);
    const first = batch.receive(other!.fd);
    const rest = batch.receive(other!.fd);
    assert.deepEqual(
      first.map(({ data }) => data.toString()),
      texts,
    );
    assert.deepEqual(
      rest.map(({ data }) => data.length),
      [0],
    );
    for (const { address } of [...first, ...rest]) assert.deepEqual(address, one!.address);
  } finally {
    for (const { fd } of [one!, other!]) closeSync(fd);
  }
});

test('the largest datagram passes whole; what the kernel refuses keeps nothing else from being sent', () => {
  const [one, other] = pair();
  try {
    const batch = new DatagramBatch();
    const largest = Buffer.alloc(65_507, 'x');
    batch.add({ data: Buffer.alloc(65_508), address: other!.address });
    batch.add({ data: largest, address: other!.address });
    batch.send(one!.fd);
    assert.deepEqual(
      batch.receive(other!.fd).map(({ data }) => data),
      [largest],
    );
    // Places are used again for shorter ones.
    batch.add({ data: Buffer.from('short'), address: other!.address });
    batch.send(one!.fd);
    assert.equal(batch.receive(other!.fd)[0]!.data.toString(), 'short');
  } finally {
    for (const { fd } of [one!, other!]) closeSync(fd);
  }
});

test('a socket that is gone has nothing and takes nothing', () => {
  const batch = new DatagramBatch();
  batch.add({ data: Buffer.from('lost'), address: socketAddress({ bytes: LOOPBACK, port: 9 }) });
  batch.send(-1);
  assert.deepEqual(batch.receive(-1), []);
});
