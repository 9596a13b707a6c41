import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FrameReader, frame } from './frames.ts';
import {
  datagramSize,
  fitted,
  isReplyTo,
  MAX_MESSAGE,
  makeReply,
  nameBytes,
  parseQuery,
  type Query,
  RCODE,
  rcodeOf,
  TYPE,
  withId,
} from './message.ts';

/** As dig sends it: "WeB.Front" A, recursion desired, with EDNS of 1232 bytes and a cookie when `edns`. */
function queryBytes(edns: boolean): Buffer {
  const question = '0357654205' + '46726f6e7400' + '0001' + '0001';
  const opt = '00' + '0029' + '04d0' + '00000000' + '000c' + '000a0008' + '0102030405060708';
  return Buffer.from(`abcd0120000100000000${edns ? '0001' : '0000'}${question}${edns ? opt : ''}`, 'hex');
}

function parse(bytes: Buffer): Query {
  const parsed = parseQuery(bytes);
  assert.ok(parsed !== undefined && 'query' in parsed);
  return parsed.query;
}

const address = (last: number) => ({ type: TYPE.A, ttl: 600, data: Uint8Array.of(10, 0, 0, last) });
const many = Array.from({ length: 100 }, (_, index) => address(index));

describe('DNS messages', () => {
  test('a query', () => {
    const { name, type, class: klass, id, edns } = parse(queryBytes(true));
    assert.deepEqual(
      { name, type, klass, id, edns },
      { name: 'web.front', type: 1, klass: 1, id: 0xabcd, edns: { size: 1232, version: 0 } },
    );
    assert.equal(datagramSize(parse(queryBytes(true))), 1232);
    assert.equal(datagramSize(parse(queryBytes(false))), 512);
  });

  test('dots inside a label are not those between', () => {
    const bytes = Buffer.from(`${'abcd01000001000000000000'}03612e6200${'00010001'}`, 'hex');
    assert.equal(parse(bytes).name, 'a\\.b');
  });

  test('what is no query, and what cannot be read', () => {
    const rcode = (bytes: Buffer): number | undefined => {
      const parsed = parseQuery(bytes);
      assert.ok(parsed === undefined || 'reply' in parsed);
      if (parsed === undefined) return undefined;
      assert.equal(parsed.reply.readUInt16BE(0), bytes.readUInt16BE(0));
      assert.ok((parsed.reply[2]! & 0x80) !== 0);
      return rcodeOf(parsed.reply);
    };
    const changed = (offset: number, ...values: number[]): Buffer => {
      const bytes = queryBytes(true);
      bytes.set(values, offset);
      return bytes;
    };
    assert.equal(rcode(Buffer.alloc(11)), undefined);
    assert.equal(rcode(changed(2, 0x81)), undefined, 'a reply');
    assert.equal(rcode(changed(2, 0x29)), RCODE.notImplemented, 'an update');
    assert.equal(rcode(changed(4, 0, 2)), RCODE.formatError, 'two questions');
    assert.equal(rcode(changed(12, 0x40)), RCODE.formatError, 'a label of 64 bytes');
    assert.equal(rcode(changed(12, 0xc0, 0x0c)), RCODE.formatError, 'a name that points to itself');
    // No beginning of a query makes it read beyond its end.
    const whole = queryBytes(true);
    for (let length = 12; length < whole.length; length++) {
      assert.equal(rcode(whole.subarray(0, length)), RCODE.formatError, `${length} bytes`);
    }
  });

  test('a reply repeats the question to the letter', () => {
    const reply = makeReply(parse(queryBytes(true)), 512, [address(7)]);
    const expected = [
      'abcd8180' + '0001000100000001',
      '0357654205' + '46726f6e7400' + '00010001',
      'c00c' + '0001' + '0001' + '00000258' + '0004' + '0a000007',
      '00' + '0029' + '1000' + '00000000' + '0000',
    ].join('');
    assert.equal(reply.toString('hex'), expected);
    assert.equal(
      makeReply(parse(queryBytes(false)), 512, [address(7)]).toString('hex'),
      expected.slice(0, -22).replace('0001000100000001', '0001000100000000'),
    );
    assert.equal(
      makeReply(parse(queryBytes(true)), 512, [], RCODE.badVersion)
        .toString('hex')
        .slice(-22),
      '00' + '0029' + '1000' + '01000000' + '0000',
    );
  });

  test('answers that do not fit are left out, and that is said', () => {
    for (const [limit, edns] of [
      [512, true],
      [512, false],
      [1232, true],
    ] as const) {
      const reply = makeReply(parse(queryBytes(edns)), limit, many);
      assert.ok(reply.length <= limit && reply.length > limit - 16, `${reply.length} of ${limit}`);
      assert.ok((reply[2]! & 2) !== 0);
      assert.equal(reply.readUInt16BE(6), Math.floor((limit - 27 - (edns ? 11 : 0)) / 16));
    }
    const whole = makeReply(parse(queryBytes(true)), MAX_MESSAGE, many);
    assert.equal(whole.readUInt16BE(6), 100);
    assert.equal(whole[2]! & 2, 0);
  });

  test('replies of others: the right one, cut when too long', () => {
    const query = parse(queryBytes(true));
    const reply = withId(makeReply(query, MAX_MESSAGE, many), 5);
    assert.ok(isReplyTo(query, 5, reply));
    assert.ok(!isReplyTo(query, 6, reply), 'another id');
    assert.ok(!isReplyTo(query, 5, withId(query.bytes, 5)), 'a query');
    const other = Buffer.from(reply);
    other[13] = 'x'.charCodeAt(0);
    assert.ok(!isReplyTo(query, 5, other), 'another question');
    assert.ok(!isReplyTo(query, 5, reply.subarray(0, 20)));
    assert.equal(fitted(query, reply, 2000), reply);
    const short = fitted(query, reply, 1232);
    assert.deepEqual([short.length, short.readUInt16BE(6), short[2]! & 2], [38, 0, 2]);
  });

  test('whatever a container sends: a reply that fits, an error, or nothing', () => {
    let seed = 1;
    const random = (below: number): number => {
      seed = (seed * 1103515245 + 12345) % 2147483648;
      return Math.floor((seed / 2147483648) * below);
    };
    const noise = (length: number) => Buffer.from(Array.from({ length }, () => random(256)));
    const outcomes = { ignored: 0, refused: 0, answered: 0 };
    for (let round = 0; round < 4000; round++) {
      let bytes = random(5) === 0 ? noise(random(80)) : queryBytes(random(2) === 0);
      for (let changes = random(4); changes > 0; changes--) {
        const kind = random(3);
        if (kind === 0) bytes = bytes.subarray(0, random(bytes.length + 1));
        else if (kind === 1) bytes = Buffer.concat([bytes, noise(random(20))]);
        else if (bytes.length > 0) bytes[random(bytes.length)] = random(256);
      }
      const parsed = parseQuery(bytes);
      if (parsed === undefined) outcomes.ignored++;
      else if ('reply' in parsed) {
        outcomes.refused++;
        assert.equal(parseQuery(parsed.reply), undefined, 'nothing that is answered again');
      } else {
        outcomes.answered++;
        const { query } = parsed;
        const limit = datagramSize(query);
        const reply = makeReply(query, limit, many);
        assert.ok(reply.length <= limit, bytes.toString('hex'));
        assert.ok(isReplyTo(query, query.id, reply), bytes.toString('hex'));
        assert.ok(!isReplyTo(query, query.id, noise(60)));
        assert.ok(fitted(query, Buffer.concat([reply, noise(2000)]), limit).length <= limit);
      }
    }
    for (const count of Object.values(outcomes)) assert.ok(count > 200, JSON.stringify(outcomes));
  });

  test('names on the wire', () => {
    assert.equal(nameBytes('web.front')?.toString('hex'), '03776562' + '0566726f6e74' + '00');
    for (const none of ['', 'a..b', 'x'.repeat(64), new Array(5).fill('x'.repeat(63)).join('.')])
      assert.equal(nameBytes(none), undefined);
  });

  test('messages over a stream, however it is cut', () => {
    const stream = Buffer.concat([frame(Buffer.from('one')), frame(Buffer.alloc(0)), frame(Buffer.alloc(70, 'x'))]);
    for (const size of [1, 2, 3, 7, stream.length]) {
      const reader = new FrameReader();
      const messages: string[] = [];
      for (let offset = 0; offset < stream.length; offset += size) {
        messages.push(...reader.push(stream.subarray(offset, offset + size)).map(String));
      }
      assert.deepEqual(messages, ['one', '', 'x'.repeat(70)], `pieces of ${size}`);
    }
  });
});
