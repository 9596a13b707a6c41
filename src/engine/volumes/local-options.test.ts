import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkLocalOptions, mountArguments, needsMount, withoutPassword } from './local-options.ts';

test('option sets that the local driver refuses', () => {
  const refused: [Record<string, string>, string][] = [
    [{ foo: 'x' }, 'invalid option: "foo"'],
    [{ device: 'tmpfs' }, 'missing required option: "type"'],
    [{ type: 'tmpfs' }, 'missing required option: "device"'],
    [{ o: 'size=1m' }, 'missing required option: "device"'],
    [{ size: '1g' }, 'quota size requested but no quota support'],
    [{ size: 'much' }, "invalid size: 'much'"],
    [{ type: 'cifs', device: '//server:445/share' }, "port not allowed in CIFS device URL, include 'port' in 'o='"],
  ];
  for (const [options, message] of refused) {
    assert.throws(() => checkLocalOptions(options, false), { code: 'invalid_parameter', message }, message);
  }
  const accepted: Record<string, string>[] = [
    {},
    { size: '0' },
    { type: 'tmpfs', device: 'tmpfs' },
    { type: 'none', device: '/srv', o: 'bind' },
    { type: 'cifs', device: '//server/share', o: 'port=445' },
  ];
  for (const options of accepted) checkLocalOptions(options, false);
  checkLocalOptions({ size: '1g' }, true);
  assert.throws(() => checkLocalOptions({ size: '1g', type: 'tmpfs', device: 'tmpfs' }, true), {
    message: 'quota size requested but no quota support',
  });
});

test('what is mounted, and what is a plain directory', () => {
  assert.ok(needsMount({ type: 'tmpfs', device: 'tmpfs' }));
  const plain: (Record<string, string> | null)[] = [null, {}, { size: '0' }, { type: '', device: '' }];
  for (const options of plain) assert.ok(!needsMount(options));
});

test('names of file servers become addresses', async () => {
  const asked: string[] = [];
  const resolve = async (host: string) => {
    asked.push(host);
    return '192.0.2.7';
  };
  const nfs = { type: 'nfs', device: ':/export', o: 'addr=files.example,rw,nfsvers=4' };
  assert.deepEqual(await mountArguments(nfs, resolve), {
    type: 'nfs',
    device: ':/export',
    options: 'addr=192.0.2.7,rw,nfsvers=4',
  });
  assert.equal((await mountArguments({ ...nfs, o: 'rw,addr=10.0.0.1' }, resolve)).options, 'rw,addr=10.0.0.1');
  assert.equal((await mountArguments({ ...nfs, o: 'rw' }, resolve)).options, 'rw');
  assert.equal((await mountArguments({ type: 'ext4', device: '/dev/x', o: 'addr=y' }, resolve)).options, 'addr=y');
  const cifs = { type: 'cifs', device: '//files.example/share/a b', o: 'username=u' };
  assert.equal((await mountArguments(cifs, resolve)).device, '//192.0.2.7/share/a b');
  assert.deepEqual(asked, ['files.example', 'files.example']);
  const unknown = () => Promise.reject(new Error('no such host'));
  await assert.rejects(mountArguments(nfs, unknown), {
    code: 'system',
    message: 'error resolving passed in network volume address: no such host',
  });
  await assert.rejects(mountArguments({ type: 'nfs', device: '' }), { message: 'missing device in volume options' });
});

test('messages hold no password', () => {
  assert.equal(
    withoutPassword('mount //a/b, data: user=u,password=secret,port=1'),
    'mount //a/b, data: user=u,password=********,port=1',
  );
});
