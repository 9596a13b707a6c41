/** The units in packaging/: systemd takes them, and they leave containers alone. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'gantry-units-'));
after(() => rmSync(directory, { recursive: true }));
const units = readdirSync(join(root, 'packaging')).filter((name) => /\.(service|socket)$/.test(name));
const missing = spawnSync('systemd-analyze', ['--version']).status === 0 ? false : 'needs systemd-analyze';

describe('units', () => {
  test('are sound, in the eyes of systemd', { skip: missing }, () => {
    // The programs are looked for: those of this checkout, in place of the installed ones.
    for (const name of units) {
      const text = readFileSync(join(root, 'packaging', name), 'utf8');
      writeFileSync(join(directory, name), text.replaceAll('/usr/local/bin/', join(root, 'bin/')));
    }
    const paths = units.map((name) => join(directory, name));
    const { status, stdout, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', ...paths], {
      encoding: 'utf8',
    });
    // It complains of units of the machine as well.
    const complaints = `${stdout}${stderr}`.split('\n').filter((line) => line.includes(directory));
    assert.deepEqual([status, complaints], [0, []]);
  });

  test("the daemon's: ready when it says so, and its end is no container's", () => {
    const text = readFileSync(join(root, 'packaging/gantryd.service'), 'utf8');
    for (const line of ['Type=notify', 'KillMode=process', 'Delegate=yes', 'ExecReload=/bin/kill -s HUP $MAINPID']) {
      assert.ok(text.split('\n').includes(line), line);
    }
  });
});
