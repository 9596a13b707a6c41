import assert from 'node:assert/strict';
import http from 'node:http';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { testServer } from './server-fixture.ts';

const { path, logged, streams, request, converse } = testServer();

describe('requests', () => {
  test('carry the headers of the Engine API and answer with and without a version', async () => {
    for (const url of ['/_ping', '/v1.24/_ping', '/v1.50/_ping?x=1']) {
      const { status, headers, text } = await request('GET', url);
      assert.equal(status, 200, url);
      assert.equal(text, '"OK"\n');
      assert.equal(headers['api-version'], '1.50');
      assert.equal(headers.server, 'Gantry/1.2.3 (linux)');
      assert.equal(headers.ostype, 'linux');
    }
  });

  test('in a version outside of what is spoken are refused as Docker refuses them', async () => {
    assert.deepEqual(JSON.parse((await request('GET', '/v1.99/_ping')).text), {
      message: 'client version 1.99 is too new. Maximum supported API version is 1.50',
    });
    const old = await request('GET', '/v1.12/_ping');
    assert.equal(old.status, 400);
    // A client that old would print JSON as it is.
    assert.match(old.headers['content-type']!, /^text\/plain/);
    assert.equal(
      old.text,
      'client version 1.12 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version\n',
    );
    assert.equal((await request('GET', '/v1.50.1/_ping')).status, 400);
    assert.equal((await request('GET', '/v1.49.1/_ping')).status, 200);
  });

  test('to no route are answered in JSON', async () => {
    const { status, text } = await request('GET', '/nowhere');
    assert.equal(status, 404);
    assert.deepEqual(JSON.parse(text), { message: 'page not found' });
    assert.equal((await request('DELETE', '/_ping')).status, 404);
  });

  test('find their route with slashes in a row, and not with one at the end', async () => {
    assert.equal((await request('GET', '//query')).status, 200);
    assert.equal((await request('GET', '/v1.44//query')).status, 200);
    assert.equal((await request('GET', '/query/')).status, 404);
  });

  test('with OPTIONS are answered for every path', async () => {
    for (const url of ['/_ping', '/v1.40/nowhere']) {
      const { status, text } = await request('OPTIONS', url);
      assert.deepEqual([status, text], [200, ''], url);
    }
    assert.equal((await request('OPTIONS', '/v1.99/x')).status, 400);
  });

  test('have their parameters read by declaration', async () => {
    const table: [query: string, read: object][] = [
      ['', { flag: false, on: true, number: null, text: 'none', list: [], filters: [] }],
      [
        'flag=1&on=0&number=-7&text=a%20b&list=x&list=y',
        { flag: true, on: false, number: -7, text: 'a b', list: ['x', 'y'], filters: [] },
      ],
      ['flag=none&on=&number=&text=', { flag: false, on: false, number: null, text: 'none', list: [], filters: [] }],
      [
        `flag=anything&filters=${encodeURIComponent('{"label":["a","b=c"]}')}`,
        { flag: true, on: true, number: null, text: 'none', list: [], filters: ['a', 'b=c'] },
      ],
      [
        `filters=${encodeURIComponent('{"label":{"a":true}}')}&unknown=1`,
        { flag: false, on: true, number: null, text: 'none', list: [], filters: ['a'] },
      ],
    ];
    for (const [query, read] of table) {
      const { status, text } = await request('GET', `/query?${query}`);
      assert.deepEqual([status, JSON.parse(text)], [200, read], query);
    }
  });

  test('whose parameters cannot be read are refused', async () => {
    const table: [query: string, message: string][] = [
      ['number=x', 'strconv.Atoi: parsing "x": invalid syntax'],
      ['number=99999999999999999999', 'strconv.Atoi: parsing "99999999999999999999": value out of range'],
      ['flag=%zz', 'invalid URL escape "%zz"'],
      ['flag;on', 'invalid semicolon separator in query'],
      ['filters=nonsense', 'invalid filter'],
      ['filters=[]', 'invalid filter'],
      [`filters=${encodeURIComponent('{"label":"a"}')}`, 'invalid filter'],
      [`filters=${encodeURIComponent('{"label":{"a":1}}')}`, 'invalid filter'],
      [`filters=${encodeURIComponent('{"color":["a"]}')}`, "invalid filter 'color'"],
    ];
    for (const [query, message] of table) {
      const { status, text } = await request('GET', `/query?${query}`);
      assert.deepEqual([status, JSON.parse(text)], [400, { message }], query);
    }
  });

  test('with bodies of every kind are read or refused as by Docker', async () => {
    const json = { 'Content-Type': 'application/json' };
    const table: [headers: Record<string, string>, body: string, status: number, answer: object][] = [
      [{}, '', 200, {}],
      [json, '', 200, {}],
      [json, 'null', 200, {}],
      [json, '{"name":"a","Other":1}', 200, { Name: 'a' }],
      [{ 'Content-Type': 'application/json; charset=utf-8' }, '{"Name":"a"}', 200, { Name: 'a' }],
      [{ ...json, 'Transfer-Encoding': 'chunked' }, '{"Name":"a"}', 200, { Name: 'a' }],
      [{ ...json, Expect: '100-continue' }, '{"Name":"a"}', 200, { Name: 'a' }],
      [
        { ...json, 'Transfer-Encoding': 'chunked' },
        '',
        400,
        { message: 'invalid JSON: got EOF while reading request body' },
      ],
      [json, '{', 400, { message: 'invalid JSON: unexpected EOF' }],
      [json, '{"Name":"a', 400, { message: 'invalid JSON: unexpected EOF' }],
      [json, '{} x', 400, { message: 'unexpected content after JSON' }],
      [json, '[]', 400, { message: 'invalid JSON: cannot unmarshal array into the body of type object' }],
      [json, '{"Name":5}', 400, { message: 'invalid JSON: cannot unmarshal number 5 into field Name of type string' }],
      [
        { 'Content-Type': 'text/plain' },
        '{}',
        400,
        { message: "unsupported Content-Type header (text/plain): must be 'application/json'" },
      ],
      [{}, '{}', 400, { message: 'malformed Content-Type header (): mime: no media type' }],
    ];
    for (const [headers, body, status, answer] of table) {
      const got = await request('POST', '/body', { headers, body });
      assert.deepEqual([got.status, JSON.parse(got.text)], [status, answer], `${JSON.stringify(headers)} ${body}`);
    }
    const huge = await request('POST', '/body', { headers: json, body: `{"Name":"${'x'.repeat(9_000_000)}"}` });
    assert.equal(huge.status, 413);
    const chunked = { ...json, 'Transfer-Encoding': 'chunked' };
    const hugeToo = await request('POST', '/body', { headers: chunked, body: `{"Name":"${'x'.repeat(9_000_000)}"}` });
    assert.equal(hugeToo.status, 413);
  });

  test('that come in one packet are answered one after the other', async () => {
    const body = '{"Name":"b"}';
    const text = await converse([
      'GET /query?text=first HTTP/1.1\r\nHost: d\r\n\r\n' +
        `POST /body HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}` +
        'GET /nowhere HTTP/1.1\r\nHost: d\r\n\r\n' +
        'GET /query?text=last HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n',
    ]);
    assert.match(text, /"first"[\s\S]*"Name":"b"[\s\S]* 404 [\s\S]*page not found[\s\S]*"last"/);
  });

  test('with broken JSON get the message that Go clients know', async () => {
    const headers = { 'Content-Type': 'application/json' };
    for (const [body, message] of [
      ['{invalid', "invalid character 'i' looking for beginning of object key string"],
      ['{"Tty":xyz}', "invalid character 'x' looking for beginning of value"],
      ['{"Tty" true}', "invalid character 't' after object key"],
      ['{"Tty":true "x"}', "invalid character '\"' after object key:value pair"],
      ['[1 2]', "invalid character '2' after array element"],
      ['{"a":"\u0001"}', "invalid character '\u0001' in string literal"],
      ['{"a":', 'unexpected EOF'],
    ] as const) {
      const { status, text } = await request('POST', '/exec/e/start', { headers, body });
      assert.deepEqual([status, JSON.parse(text).message], [400, `invalid JSON: ${message}`], body);
    }
    const trailing = await request('POST', '/exec/e/start', { headers, body: '{} more' });
    assert.equal(JSON.parse(trailing.text).message, 'unexpected content after JSON');
  });

  test('with HEAD get headers only', async () => {
    const { status, headers, text } = await request('HEAD', '/_ping');
    assert.deepEqual([status, headers['x-seen'], text], [200, '1', '']);
  });

  test('that meet a bug get a 500 and the daemon lives', async () => {
    const { status, text } = await request('GET', '/broken');
    assert.deepEqual([status, JSON.parse(text)], [500, { message: 'a bug' }]);
    assert.ok(logged.some((line) => line.includes('a bug')));
    assert.equal((await request('GET', '/_ping')).status, 200);
  });

  test('whose stream fails midway see the connection cut, not an end', async () => {
    await assert.rejects(request('GET', '/half'), /aborted|ECONNRESET|socket hang up/);
  });

  test('keep their connection, after errors with an unread body too', async () => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const first = await request('POST', '/exec/x/fail', { agent, body: 'x'.repeat(1_000_000) });
    assert.deepEqual([first.status, JSON.parse(first.text)], [409, { message: 'no' }]);
    assert.equal((await request('GET', '/_ping', { agent })).status, 200);
    agent.destroy();
  });

  test('that close their sending side still get the answer', async () => {
    assert.match(await converse(['GET /_ping HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n']), /"OK"/);
  });

  test('with an Upgrade header that means nothing here are answered as usual', async () => {
    const { status } = await request('GET', '/_ping', {
      headers: { Connection: 'Upgrade, HTTP2-Settings', Upgrade: 'h2c' },
    });
    assert.equal(status, 200);
  });

  test('that are not HTTP get 400', async () => {
    assert.match(await converse(['nonsense\r\n\r\n']), /^HTTP\/1\.1 400/);
  });
});

describe('streams', () => {
  test('begin at once and end when the client goes', async () => {
    const before = streams.aborted;
    const got: string[] = [];
    const sent = http.get({ socketPath: path, path: '/events', agent: false });
    sent.on('error', () => {});
    const response = await new Promise<http.IncomingMessage>((resolve) => sent.on('response', resolve));
    response.on('error', () => {});
    response.on('data', (chunk) => got.push(String(chunk)));
    streams.emit();
    await sleep(50);
    assert.deepEqual(got, ['{}\n']);
    sent.destroy();
    await sleep(50);
    assert.equal(streams.aborted, before + 1);
  });

  test('end when the client closes its sending side', async () => {
    const before = streams.aborted;
    await converse(['GET /events HTTP/1.1\r\nHost: d\r\n\r\n']);
    assert.equal(streams.aborted, before + 1);
  });
});

test('large uploads arrive whole', async () => {
  const { text } = await request('POST', '/upload', { body: 'x'.repeat(5_000_000) });
  assert.equal(text, '5000000\n');
});
