import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { NameTable } from './names.ts';
import { DnsObserver, type NamedAttachment, type NamedSandbox } from './observer.ts';
import type { DnsSandbox } from './server.ts';

function attachment(networkName: string, ipAddress: string, more: Partial<NamedAttachment> = {}): NamedAttachment {
  return {
    endpoint: {
      networkId: `id of ${networkName}`,
      networkName,
      ipAddress,
      ipv6Address: '',
      gateway: '10.0.0.1',
      ipv6Gateway: '',
    },
    userDefined: true,
    internal: false,
    names: ['web'],
    ...more,
  };
}

const sandbox = (containerId: string, ...attachments: NamedAttachment[]): NamedSandbox => ({
  containerId,
  path: `/run/${containerId}`,
  attachments,
});

/** A server that only notes what it was told, and the observer over it. */
function observed(failing = '') {
  const open = new Map<string, DnsSandbox>();
  const names = new NameTable();
  const dns = {
    open: (rules: DnsSandbox) => {
      if (rules.id === failing) throw new Error('no socket');
      open.set(rules.id, rules);
    },
    close: (id: string) => void open.delete(id),
    serves: (id: string) => open.has(id),
  };
  const settings = {
    upstreams: [{ address: '10.9.9.9', fromHost: true }],
    ndotsSet: true,
    links: { front: { db: 'web' } },
  };
  return { open, names, observer: new DnsObserver(dns, names, () => settings) };
}

const last = (names: NameTable, id: string, name: string): number | undefined => names.lookup(id, name)?.ipv4[0]?.[3];

describe('names follow the containers', () => {
  test('a server on networks with names only; their names, links and rules', () => {
    const { open, names, observer } = observed();
    observer.opened(sandbox('plain', attachment('bridge', '172.17.0.2', { userDefined: false })));
    assert.deepEqual([...open.keys()], []);
    observer.opened(sandbox('one', attachment('front', '10.0.0.2')));
    assert.deepEqual(open.get('one'), {
      id: 'one',
      namespace: '/run/one',
      upstreams: [{ address: '10.9.9.9', fromHost: true }],
      ndotsSet: true,
      external: true,
    });
    assert.deepEqual([last(names, 'one', 'web'), last(names, 'one', 'db.front')], [2, 2]);
    assert.equal(names.lookup('plain', 'web'), undefined);
    observer.closed('one');
    assert.deepEqual([open.size, names.lookup('one', 'web')], [0, undefined]);
  });

  test('connect and disconnect; the server outlives its last network', () => {
    const { open, names, observer } = observed();
    const plain = attachment('bridge', '172.17.0.2', { userDefined: false });
    const inner = attachment('inner', '10.2.0.2', { internal: true, names: ['web', 'w'] });
    observer.opened(sandbox('one', plain));
    observer.attached(sandbox('one', plain, inner), inner);
    assert.deepEqual([open.get('one')?.external, last(names, 'one', 'w')], [true, 2]);
    observer.detached(sandbox('one', inner), plain);
    assert.equal(open.get('one')?.external, false, 'only the internal network is left');
    observer.detached(sandbox('one'), inner);
    assert.deepEqual([open.has('one'), names.lookup('one', 'w')], [true, undefined]);
    observer.attached(sandbox('one', plain), plain);
    assert.equal(open.get('one')?.external, true);
  });

  test('another name, another way out', () => {
    const { open, names, observer } = observed();
    observer.opened(sandbox('one', attachment('front', '10.0.0.2')));
    const renamed = attachment('front', '10.0.0.2', { names: ['shop'] });
    observer.renamed(sandbox('one', renamed));
    assert.deepEqual([last(names, 'one', 'web'), last(names, 'one', 'shop')], [undefined, 2]);
    const endpoint = { ...renamed.endpoint, gateway: '' };
    observer.gatewayChanged(sandbox('one', { ...renamed, endpoint }));
    assert.equal(open.get('one')?.external, false);
    observer.gatewayChanged(sandbox('two', renamed));
    assert.equal(open.has('two'), false);
  });

  test('what cannot be served has no names', () => {
    const { names, observer } = observed('bad');
    const one = attachment('front', '10.0.0.2');
    assert.throws(() => observer.opened(sandbox('bad', one)), /no socket/);
    assert.throws(() => observer.attached(sandbox('bad', one), one), /no socket/);
    assert.equal(names.lookup('bad', 'web'), undefined);
  });
});
