import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { takePidFile } from './pidfile.ts';

test('a pid file names this process, and is refused while another one that it names lives', () => {
  const directory = mkdtempSync(join(tmpdir(), 'gantry-pidfile-'));
  const path = join(directory, 'deep', 'gantryd.pid');
  const release = takePidFile(path);
  assert.equal(readFileSync(path, 'utf8'), String(process.pid));
  release();
  assert.equal(existsSync(path), false);

  writeFileSync(path, '1');
  assert.throws(() => takePidFile(path), /process with PID 1 is still running/);
  writeFileSync(path, 'nonsense');
  takePidFile(path)();
  rmSync(directory, { recursive: true });
});

test('a zombie is not taken for a daemon that runs', () => {
  const directory = mkdtempSync(join(tmpdir(), 'gantry-pidfile-'));
  const path = join(directory, 'gantryd.pid');
  const go = join(directory, 'go');
  // The shell becomes a program that never asks for the status of its child, which ends after that.
  const script = `sh -c 'while [ ! -e ${go} ]; do sleep 0.01; done' & echo $! >${path}; exec sleep 1000`;
  const parent = spawn('sh', ['-c', script]);
  try {
    while (readFileSync(`/proc/${parent.pid}/comm`, 'utf8') !== 'sleep\n');
    writeFileSync(go, '');
    const stat = `/proc/${readFileSync(path, 'utf8').trim()}/stat`;
    while (!/\) Z /.test(readFileSync(stat, 'utf8')));
    takePidFile(path)();
  } finally {
    parent.kill('SIGKILL');
    rmSync(directory, { recursive: true });
  }
});
