import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Mount } from '../../api/schemas/mount.ts';
import { parseBind, parseMount, parseVolumesFrom } from './mount-request.ts';

test('binds', () => {
  const short = (raw: string) => {
    const { type, source, destination, readOnly, propagation, copy } = parseBind(raw);
    return [type, source, destination, readOnly, propagation, copy];
  };
  assert.deepEqual(short('/a/:/b'), ['bind', '/a', '/b', false, '', true]);
  assert.deepEqual(short('/a:/b/:ro,rslave,z'), ['bind', '/a', '/b', true, 'rslave', true]);
  assert.deepEqual(short('name:/b:nocopy'), ['volume', 'name', '/b', false, '', false]);
  assert.deepEqual(short('/anonymous'), ['volume', '', '/anonymous', false, '', true]);
});

describe('wrong binds', () => {
  const cases: [string, string][] = [
    [':/b', "invalid volume specification: ':/b'"],
    ['/a:ro', "invalid volume specification: '/a:ro'"],
    ['/a:/b:ro,rw', 'invalid mode: ro,rw'],
    [
      'name:b',
      `invalid volume specification: 'name:b': invalid mount config for type "volume": invalid mount path: 'b' mount path must be absolute`,
    ],
    [
      '/a:/',
      `invalid volume specification: '/a:/': invalid mount config for type "bind": invalid specification: destination can't be '/'`,
    ],
  ];
  for (const [raw, message] of cases) {
    test(raw, () => assert.throws(() => parseBind(raw), { code: 'invalid_parameter', message }));
  }
  test('a relative path', () => assert.throws(() => parseBind('./x:/b'), /use absolute path/));
});

describe('wrong mounts', () => {
  const cases: [Mount, string][] = [
    [{ Type: 'bind', Target: '/x' }, 'field Source must not be empty'],
    [{ Type: 'bind', Source: 'rel', Target: '/x' }, "invalid mount path: 'rel' mount path must be absolute"],
    [{ Type: 'bind', Source: '/', Target: '/x', TmpfsOptions: {} }, 'field TmpfsOptions must not be specified'],
    [{ Type: 'tmpfs', Source: '/y', Target: '/x' }, 'field Source must not be specified'],
    [{ Type: 'tmpfs', Target: '/x', TmpfsOptions: { Options: [['suid']] } }, 'invalid option: suid'],
    [
      { Type: 'volume', Target: '/x', VolumeOptions: { Subpath: 'a' } },
      'must not set Subpath when using anonymous volumes',
    ],
    [
      { Type: 'volume', Source: 'vol', Target: '/x', VolumeOptions: { Subpath: 'a/../../b' } },
      'subpath must be a relative path within the volume',
    ],
    [
      { Type: 'bind', Source: '/', Target: '/x', BindOptions: { ReadOnlyForceRecursive: true } },
      'ReadOnlyForceRecursive requires Propagation to be rprivate',
    ],
  ];
  for (const [mount, why] of cases) {
    test(why, () => {
      const message = `invalid mount config for type "${mount.Type}": ${why}`;
      assert.throws(() => parseMount(mount), { code: 'invalid_parameter', message });
    });
  }
});

test('tmpfs sizes keep the unit that divides them', () => {
  const text = (SizeBytes: number) =>
    parseMount({ Type: 'tmpfs', Target: '/x', TmpfsOptions: { SizeBytes, Mode: 0o1777 } }).tmpfs;
  assert.equal(text(64 << 20), 'mode=1777,size=64m');
  assert.equal(text(1000), 'mode=1777,size=1000');
});

test('volumes-from', () => {
  assert.deepEqual(parseVolumesFrom('c1'), { container: 'c1', mode: 'rw' });
  assert.deepEqual(parseVolumesFrom('c1:ro'), { container: 'c1', mode: 'ro' });
  assert.throws(() => parseVolumesFrom('c1:rslave'), { message: 'invalid mode: rslave' });
});
