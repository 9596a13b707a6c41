import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ResolvRequest } from './contract.ts';
import { makeEmbeddedResolvConf, makeResolvConf, parseResolvConf } from './resolv-conf.ts';

const nothing: ResolvRequest = { dns: [], dnsSearch: [], dnsOptions: [] };

/** The lines that mean something, of the container's file. */
function make(host: string, request: Partial<ResolvRequest> = {}, defaults: Partial<ResolvRequest> = {}): string[] {
  const text = makeResolvConf(host, { ...nothing, ...request }, { ...nothing, ...defaults });
  assert.ok(text.endsWith('\n'));
  return text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
}

describe('resolv.conf', () => {
  const host = 'nameserver 10.0.0.1\nnameserver 10.0.0.2\nsearch corp.example lan\noptions ndots:2 edns0\n';

  test("the host's, when nothing else is said", () => {
    assert.deepEqual(make(host), [
      'nameserver 10.0.0.1',
      'nameserver 10.0.0.2',
      'search corp.example lan',
      'options ndots:2 edns0',
    ]);
  });

  test('servers out of reach are left out', () => {
    const file =
      'nameserver 127.0.0.1\nnameserver ::1\nnameserver fd00::53\nnameserver fe80::1%eth0\nnameserver 10.0.0.2\n';
    assert.deepEqual(make(file), ['nameserver 10.0.0.2']);
  });

  test('public ones when none is left', () => {
    for (const file of ['', 'nameserver 127.0.0.53\n', '# nothing\n']) {
      assert.deepEqual(make(file), ['nameserver 8.8.8.8', 'nameserver 8.8.4.4'], file);
    }
  });

  test('container before daemon before host, each setting by itself', () => {
    assert.deepEqual(make(host, {}, { dns: ['1.1.1.1'] }), [
      'nameserver 1.1.1.1',
      'search corp.example lan',
      'options ndots:2 edns0',
    ]);
    assert.deepEqual(
      make(host, { dns: ['127.0.0.1', '::1'], dnsSearch: ['a.b'] }, { dns: ['1.1.1.1'], dnsOptions: ['rotate'] }),
      ['nameserver 127.0.0.1', 'nameserver ::1', 'search a.b', 'options rotate'],
    );
  });

  test('a lone dot clears the search list', () => {
    assert.deepEqual(make('nameserver 10.0.0.1\nsearch x.y\n', { dnsSearch: ['.'] }), ['nameserver 10.0.0.1']);
  });

  test("host network: the host's own servers, on loopback too", () => {
    assert.deepEqual(make('nameserver 127.0.0.53\n', { hostNetwork: true }), ['nameserver 127.0.0.53']);
    assert.deepEqual(make('', { hostNetwork: true }), []);
  });

  test('the format: comments, tabs, domain, the last search list wins', () => {
    const text =
      '; old\n# x\nnameserver\t10.0.0.1 # main\n domain first.example\nsearch a b\noptions a\noptions b\nnameserver\n';
    assert.deepEqual(parseResolvConf(text), { nameservers: ['10.0.0.1'], search: ['a', 'b'], options: ['a', 'b'] });
    assert.deepEqual(parseResolvConf('search a b\ndomain c').search, ['c']);
  });
});

describe('resolv.conf beside the embedded DNS server', () => {
  const host = 'nameserver 127.0.0.53\nnameserver fe80::1%eth0\nsearch corp.example\noptions edns0 trust-ad\n';

  test("the host's servers are asked from the host, whatever their addresses", () => {
    const { text, upstreams, ndotsSet } = makeEmbeddedResolvConf(host, nothing, nothing);
    assert.deepEqual(text.split('\n').slice(1), [
      '# ExtServers: [host(127.0.0.53) host(fe80::1%eth0)]',
      'nameserver 127.0.0.11',
      'search corp.example',
      'options edns0 trust-ad ndots:0',
      '',
    ]);
    assert.deepEqual(upstreams, [
      { address: '127.0.0.53', fromHost: true },
      { address: 'fe80::1%eth0', fromHost: true },
    ]);
    assert.equal(ndotsSet, false);
  });

  test('given servers are asked from the container', () => {
    const request = { dns: ['10.0.0.5', '127.0.0.1'], dnsSearch: ['.'], dnsOptions: ['ndots:2', 'rotate'] };
    const { text, upstreams, ndotsSet } = makeEmbeddedResolvConf(host, request, { ...nothing, dns: ['1.1.1.1'] });
    assert.deepEqual(text.split('\n').slice(1), [
      '# ExtServers: [10.0.0.5 127.0.0.1]',
      'nameserver 127.0.0.11',
      'options ndots:2 rotate',
      '',
    ]);
    assert.deepEqual(
      upstreams.map((upstream) => upstream.fromHost),
      [false, false],
    );
    assert.equal(ndotsSet, true);
  });

  test('no server and a senseless ndots', () => {
    const { text, upstreams, ndotsSet } = makeEmbeddedResolvConf(
      'nameserver junk\noptions ndots:x\n',
      nothing,
      nothing,
    );
    assert.deepEqual(text.split('\n').slice(1), [
      '# No external servers.',
      'nameserver 127.0.0.11',
      'options ndots:0',
      '',
    ]);
    assert.deepEqual(upstreams, []);
    assert.equal(ndotsSet, false);
  });
});
