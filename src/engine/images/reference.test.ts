import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  asTag,
  familiarName,
  familiarString,
  fullString,
  parseAnyReference,
  parseReference,
  storeKey,
  withDefaultTag,
} from './reference.ts';

const HEX = 'ab'.repeat(32);

test('short names become full ones and come back', () => {
  for (const [typed, full, familiar] of [
    ['busybox', 'docker.io/library/busybox:latest', 'busybox:latest'],
    ['docker.io/busybox:1', 'docker.io/library/busybox:1', 'busybox:1'],
    ['index.docker.io/team/app', 'docker.io/team/app:latest', 'team/app:latest'],
    ['docker.io/library/busybox', 'docker.io/library/busybox:latest', 'busybox:latest'],
    ['localhost/app', 'localhost/app:latest', 'localhost/app:latest'],
    ['localhost:5000/app:v1.0', 'localhost:5000/app:v1.0', 'localhost:5000/app:v1.0'],
    ['[::1]:5000/app', '[::1]:5000/app:latest', '[::1]:5000/app:latest'],
    ['Host/app', 'Host/app:latest', 'Host/app:latest'],
    ['a.b/c__d/e--f', 'a.b/c__d/e--f:latest', 'a.b/c__d/e--f:latest'],
  ] as const) {
    const reference = withDefaultTag(parseReference(typed));
    assert.equal(fullString(reference), full);
    assert.equal(familiarString(reference), familiar);
    assert.deepEqual(parseReference(full), reference);
  }
});

test('a digest wins over a tag as store key', () => {
  assert.equal(storeKey(parseReference(`app:v1@sha256:${HEX}`)), `docker.io/library/app@sha256:${HEX}`);
  assert.equal(familiarName(parseReference(`app:v1@sha256:${HEX}`)), 'app');
});

test('the name of a digest algorithm is no name for an image', () => {
  assert.throws(() => asTag(parseReference('sha256:abc')), {
    code: 'invalid_parameter',
    message: 'refusing to create an ambiguous tag using digest algorithm as name',
  });
  assert.equal(familiarString(asTag(parseReference('team/sha256'))), 'team/sha256:latest');
});

test('IDs are not names', () => {
  assert.deepEqual(parseAnyReference(HEX), { id: `sha256:${HEX}` });
  assert.deepEqual(parseAnyReference(`sha256:${HEX}`), { id: `sha256:${HEX}` });
  assert.throws(() => parseReference(HEX), /cannot specify 64-byte hexadecimal strings/);
});

test('what is no reference is refused with the reason', () => {
  for (const bad of [
    '',
    ':x',
    'a//b',
    '-a',
    'a_',
    'a..b',
    'a:',
    'a:.x',
    'a@sha256:12',
    'a b',
    `x:${'t'.repeat(129)}`,
  ]) {
    assert.throws(() => parseReference(bad), { code: 'invalid_parameter', message: 'invalid reference format' }, bad);
  }
  assert.throws(() => parseReference('Busybox'), {
    message: 'invalid reference format: repository name (library/Busybox) must be lowercase',
  });
  assert.throws(() => parseReference(`${'a/'.repeat(130)}b`), /must not be more than 255 characters/);
});
