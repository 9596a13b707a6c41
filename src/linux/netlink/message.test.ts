import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MessageBuilder, NLM_F_CREATE, parseAttributes, parseMessages, stringOf } from './message.ts';

describe('netlink messages', () => {
  test('a request is laid out as the kernel reads it', () => {
    // RTM_NEWLINK of a dummy, as strace shows it of ip(8).
    const message = new MessageBuilder(16, NLM_F_CREATE)
      .struct(Buffer.alloc(16))
      .string(3, 'd0')
      .nest(18, (info) => info.string(1, 'dummy'))
      .finish(7);
    const expected = [
      '3800000010000104' + '0700000000000000', // length 56, type 16, REQUEST | CREATE, sequence 7, port 0
      '00'.repeat(16),
      '0700030064300000', // length 7, IFLA_IFNAME, "d0\0", padding
      '10001280' + '0a00010064756d6d79000000', // nested IFLA_LINKINFO { IFLA_INFO_KIND "dummy\0" }
    ].join('');
    assert.equal(message.toString('hex'), expected);
  });

  test('a message larger than the first buffer is kept whole', () => {
    const value = Buffer.alloc(3000, 0xab);
    const message = new MessageBuilder(1, 0).nest(5, (nest) => nest.bytes(6, value).u32(7, 0xfffffffe)).finish(1);
    const [parsed] = parseMessages(message);
    const inner = parseAttributes(parseAttributes(parsed!.payload).get(5)!);
    assert.deepEqual(inner.get(6), value);
    assert.equal(inner.get(7)!.readUInt32LE(), 0xfffffffe);
  });

  test('a datagram is split into its messages', () => {
    const one = new MessageBuilder(20, 0).u8(1, 9).finish(1);
    const two = new MessageBuilder(21, 0).finish(2);
    const messages = parseMessages(Buffer.concat([one, two]));
    assert.deepEqual(
      messages.map((message) => [message.type, message.sequence, message.payload.length]),
      [
        [20, 1, 8],
        [21, 2, 0],
      ],
    );
  });

  test('a truncated message is an error, not a shorter one', () => {
    const message = new MessageBuilder(20, 0).u32(1, 9).finish(1);
    assert.throws(() => parseMessages(message.subarray(0, message.length - 4)), /truncated/);
    message.writeUInt32LE(8, 0);
    assert.throws(() => parseMessages(message), /truncated/);
  });

  test('attributes: flags of the type are taken off, malformed rests are left', () => {
    const good = Buffer.from('0800038001020304', 'hex');
    for (const bad of ['0300010000000000', 'ff00010000000000', '0000']) {
      const attributes = parseAttributes(Buffer.concat([good, Buffer.from(bad, 'hex')]));
      assert.deepEqual([...attributes.keys()], [3]);
    }
    assert.equal(stringOf(Buffer.from('eth0\0\0')), 'eth0');
    assert.equal(stringOf(Buffer.from('eth0')), 'eth0');
    assert.equal(stringOf(undefined), '');
  });
});
