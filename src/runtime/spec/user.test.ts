import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseGroup, parsePasswd, resolveUser } from './user.ts';

const tables = {
  passwd: parsePasswd('root:x:0:0:root:/root:/bin/sh\napp:x:1000:100::/home/app:\n\n# no entry\nbad:x:y:z::\n'),
  group: parseGroup('root:x:0:\nusers:x:100:\naudio:x:29:app,root\nvideo:x:44:\n'),
};
const resolve = (spec: string, add: string[] = []) => resolveUser(spec, add, tables);

test('names, numbers and both', () => {
  const cases: [string, number, number, number[]][] = [
    ['', 0, 0, [0, 29]],
    ['app', 1000, 100, [100, 29]],
    ['1000', 1000, 100, [100, 29]],
    ['app:video', 1000, 44, [44]],
    ['1234', 1234, 0, [0]],
    ['1234:5678', 1234, 5678, [5678]],
    [':users', 0, 100, [100]],
  ];
  for (const [spec, uid, gid, additionalGids] of cases) {
    assert.deepEqual(resolve(spec), { uid, gid, additionalGids }, spec);
  }
  assert.deepEqual(resolve('app', ['video', '77', 'audio']).additionalGids, [100, 29, 44, 77]);
});

test('what is not there', () => {
  const cases: [() => unknown, string][] = [
    [() => resolve('foo'), 'unable to find user foo: no matching entries in passwd file'],
    [() => resolve('app:foo'), 'unable to find group foo: no matching entries in group file'],
    [() => resolve('app', ['foo']), 'Unable to find group foo'],
    [() => resolve('2147483648'), 'uids and gids must be in range 0-2147483647'],
  ];
  for (const [act, message] of cases) assert.throws(act, { code: 'system', message });
});
