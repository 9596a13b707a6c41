import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { lstatSync, mkdtempSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { offerDockerSocket } from './listeners.ts';

const directory = mkdtempSync(join(tmpdir(), 'gantry-listeners-'));
after(() => rmSync(directory, { recursive: true }));
const at = (name: string) => join(directory, name);
const ours = at('gantry.sock');
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const there = (path: string) => lstatSync(path, { throwIfNoEntry: false }) !== undefined;

describe("Docker's socket", () => {
  test('is a link to ours when nothing is there, and goes with us', async () => {
    const path = at('free');
    const giveBack = await offerDockerSocket(path, ours, silent);
    assert.equal(readlinkSync(path), ours);
    giveBack();
    assert.equal(there(path), false);
  });

  test('that we left behind when we were killed is ours again', async () => {
    const path = at('left');
    symlinkSync(ours, path);
    (await offerDockerSocket(path, ours, silent))();
    assert.equal(there(path), false);
  });

  test('of a daemon that lives is left alone', async () => {
    const path = at('taken');
    const server = createServer().listen(path);
    await new Promise((resolve) => server.once('listening', resolve));
    (await offerDockerSocket(path, ours, silent))();
    assert.equal(lstatSync(path).isSocket(), true);
    server.close();
  });

  test('at which nobody answers any more is taken', async () => {
    const path = at('dead');
    const die = "require('net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))";
    spawnSync(process.execPath, ['-e', die, path]);
    assert.equal(lstatSync(path).isSocket(), true);
    const giveBack = await offerDockerSocket(path, ours, silent);
    assert.equal(readlinkSync(path), ours);
    giveBack();
  });

  test('that is a link to elsewhere, or a file, is left alone', async () => {
    symlinkSync(at('podman.sock'), at('link'));
    writeFileSync(at('file'), '');
    for (const name of ['link', 'file']) (await offerDockerSocket(at(name), ours, silent))();
    assert.equal(readlinkSync(at('link')), at('podman.sock'));
    assert.equal(there(at('file')), true);
  });

  test('is not taken away when another has put his own there since', async () => {
    const path = at('since');
    const giveBack = await offerDockerSocket(path, ours, silent);
    rmSync(path);
    symlinkSync(at('other.sock'), path);
    giveBack();
    assert.equal(readlinkSync(path), at('other.sock'));
  });
});
