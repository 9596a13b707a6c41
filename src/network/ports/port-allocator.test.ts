import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { PortAllocator } from './port-allocator.ts';

/** A host on which some ports are others'. */
function setUp(foreign: number[] = [], heldAtMost = 100) {
  const open = new Set<number>();
  let next = 0;
  const holder = {
    hold: (_: Uint8Array, port: number): number => {
      if (foreign.includes(port)) throw Object.assign(new Error('bind'), { code: 'EADDRINUSE' });
      open.add(++next);
      return next;
    },
    release: (fd: number): void => assert.ok(open.delete(fd)),
  };
  return { open, ports: new PortAllocator({ heldAtMost, holder, ephemeral: () => [50, 52] }) };
}

describe('port allocator', () => {
  test('an address conflicts with itself and with all of its family', () => {
    const { ports } = setUp();
    ports.take(['0.0.0.0', '::'], 'tcp', 80, 80);
    for (const [address, shown] of [
      ['0.0.0.0', '0.0.0.0'],
      ['127.0.0.1', '127.0.0.1'],
      ['::1', '::1'],
    ] as const) {
      assert.throws(() => ports.take([address], 'tcp', 80, 80), {
        message: `Bind for ${shown}:80 failed: port is already allocated`,
      });
    }
    assert.equal(ports.take(['0.0.0.0'], 'udp', 80, 80), 80);
    ports.take(['127.0.0.1'], 'tcp', 81, 81);
    assert.equal(ports.take(['127.0.0.2'], 'tcp', 81, 81), 81);
    assert.equal(ports.take(['::'], 'tcp', 81, 81), 81);
    assert.throws(() => ports.take(['0.0.0.0'], 'tcp', 81, 81), /already allocated/);
  });

  test('all addresses or none', () => {
    const { ports, open } = setUp();
    ports.take(['::'], 'tcp', 80, 80);
    assert.throws(() => ports.take(['0.0.0.0', '::'], 'tcp', 80, 80), /already allocated/);
    assert.equal(open.size, 1);
    assert.equal(ports.take(['0.0.0.0'], 'tcp', 80, 80), 80);
  });

  test('a range goes round what is taken, by us and by others, and starts where it ended', () => {
    const { ports } = setUp([51]);
    assert.equal(ports.take(['0.0.0.0'], 'tcp', 0, 0), 50);
    ports.release('0.0.0.0', 'tcp', 50);
    assert.equal(ports.take(['0.0.0.0'], 'tcp', 0, 0), 52);
    assert.equal(ports.take(['0.0.0.0'], 'tcp', 0, 0), 50);
    assert.throws(() => ports.take(['0.0.0.0'], 'tcp', 0, 0), {
      message: 'failed to bind host port 0.0.0.0:51/tcp: address already in use',
    });
    ports.take(['0.0.0.0'], 'tcp', 60, 60);
    assert.throws(() => ports.take(['127.0.0.1'], 'tcp', 60, 60), /already allocated/);
  });

  test('sockets are kept up to the bound, and closed at the end', () => {
    const { ports, open } = setUp([], 2);
    for (const port of [1, 2, 3]) ports.take(['0.0.0.0'], 'tcp', port, port);
    assert.equal(open.size, 2);
    assert.throws(() => ports.take(['0.0.0.0'], 'tcp', 3, 3), /already allocated/);
    ports.release('0.0.0.0', 'tcp', 1);
    ports.release('0.0.0.0', 'tcp', 1);
    ports.take(['0.0.0.0'], 'tcp', 4, 4);
    assert.equal(open.size, 2);
    ports.close();
    assert.equal(open.size, 0);
  });

  test("the relay's own port is no conflict", () => {
    const holder = {
      hold: () => {
        throw Object.assign(new Error('bind'), { code: 'EADDRINUSE' });
      },
      release: () => {},
    };
    const isOwn = (address: string, port: number): boolean => address === '::' && port === 45_000;
    const ports = new PortAllocator({ heldAtMost: 100, holder, isOwn });
    assert.equal(ports.take(['::'], 'tcp', 45_000, 45_000), 45_000);
    assert.throws(() => ports.take(['::'], 'tcp', 45_000, 45_000), /already allocated/);
    assert.throws(() => ports.take(['0.0.0.0'], 'tcp', 45_000, 45_000), /address already in use/);
    ports.release('::', 'tcp', 45_000);
  });

  test('a live container keeps its port, whoever has it meanwhile', () => {
    const { ports } = setUp([80]);
    assert.equal(ports.retake('0.0.0.0', 'tcp', 80), false);
    assert.equal(ports.retake('0.0.0.0', 'tcp', 81), true);
    assert.throws(() => ports.take(['0.0.0.0'], 'tcp', 80, 80), /already allocated/);
  });
});
