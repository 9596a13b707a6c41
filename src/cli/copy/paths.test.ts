import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CopyPlan, keepTrailing, planCopy, rebase, renamed, splitCopyArgument, splitEntry } from './paths.ts';

test('a colon parts container and path, unless the word starts like a path', () => {
  assert.deepEqual(splitCopyArgument('c:/x'), { container: 'c', path: '/x' });
  assert.deepEqual(splitCopyArgument('c:x:y'), { container: 'c', path: 'x:y' });
  assert.deepEqual(splitCopyArgument('./a:b'), { container: '', path: './a:b' });
  assert.deepEqual(splitCopyArgument('/a:b'), { container: '', path: '/a:b' });
  assert.deepEqual(splitCopyArgument('ab'), { container: '', path: 'ab' });
});

test('a trailing / or /. survives cleaning', () => {
  assert.equal(keepTrailing('/a/b', 'b/'), '/a/b/');
  assert.equal(keepTrailing('/a/b', 'b/.'), '/a/b/.');
  assert.equal(keepTrailing('/', '.'), '/.');
  assert.equal(keepTrailing('/a/b', 'b'), '/a/b');
});

test('directory and last element', () => {
  assert.deepEqual(splitEntry('/a/b'), { directory: '/a', base: 'b' });
  assert.deepEqual(splitEntry('/a/b/'), { directory: '/a', base: 'b' });
  assert.deepEqual(splitEntry('/a/b/.'), { directory: '/a/b', base: '.' });
  assert.deepEqual(splitEntry('/'), { directory: '/', base: '/' });
});

test('a followed link keeps its own name and what stood behind it', () => {
  assert.deepEqual(rebase('/l', '/target'), { path: '/target', name: 'l' });
  assert.deepEqual(rebase('/l/', '/t'), { path: '/t/', name: 'l' });
  assert.deepEqual(rebase('/l/.', '/t'), { path: '/t/.', name: '' });
});

const file = { path: '/s/f', isDirectory: false, name: '' };
const tree = { path: '/s/d', isDirectory: true, name: '' };
const content = { path: '/s/d/.', isDirectory: true, name: '' };
const there = { path: '/t', exists: true, isDirectory: true };
const aFile = { path: '/t/x', exists: true, isDirectory: false };
const nothing = { path: '/t/x', exists: false, isDirectory: false };

test('where things go', () => {
  const into: CopyPlan = { directory: '/t', rename: undefined };
  assert.deepEqual(planCopy(file, there), into);
  assert.deepEqual(planCopy(tree, there), into);
  assert.deepEqual(planCopy(content, there), into);
  assert.deepEqual(planCopy(file, aFile), { directory: '/t', rename: { from: 'f', to: 'x' } });
  assert.deepEqual(planCopy(file, nothing), { directory: '/t', rename: { from: 'f', to: 'x' } });
  assert.deepEqual(planCopy(tree, nothing), { directory: '/t', rename: { from: 'd', to: 'x' } });
  assert.deepEqual(planCopy(content, nothing), { directory: '/t', rename: { from: '.', to: 'x' } });
  assert.throws(() => planCopy(tree, aFile), { message: 'cannot copy directory' });
  assert.throws(() => planCopy(file, { ...nothing, path: '/t/x/' }), { message: 'no such directory' });
});

test('only the first element of an archive name is renamed', () => {
  const rename = { from: 'd', to: 'x' };
  assert.equal(renamed('d', rename), 'x');
  assert.equal(renamed('d/d/f', rename), 'x/d/f');
  assert.equal(renamed('dd/f', rename), 'dd/f');
  assert.equal(renamed('./a', { from: '.', to: 'x' }), 'x/a');
  assert.equal(renamed('etc/f', { from: '', to: 'x' }), 'x/etc/f');
  assert.equal(renamed('d/f', undefined), 'd/f');
});
