/**
 * A day with containers, once by `gantry`, once by the real `docker` CLI: the same words, and what a user of Docker expects
 * to see. A Debian image is the subject.
 */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';
import { onTerminal } from '../support/on-terminal.ts';

const root = path.resolve(import.meta.dirname, '../..');
const DEBIAN = '/var/cache/gantry-test/debian.tar';

interface Output {
  status: number;
  stdout: string;
  stderr: string;
}

/** The CLIs to walk with: ours, the docker on PATH, and Debian's where it is another one. */
function commands(): { name: string; program: string }[] {
  const list = [{ name: 'gantry', program: `${root}/bin/gantry` }];
  const seen = new Set<string>();
  for (const program of ['/usr/local/bin/docker', '/usr/bin/docker']) {
    if (!existsSync(program) || seen.has(program)) continue;
    seen.add(program);
    list.push({ name: `docker (${program})`, program });
  }
  return list;
}

for (const { name, program } of commands()) {
  describe(`a day with containers by ${name}`, () => {
    let daemon: TestDaemon;
    let scratch: string;
    const host = (): string[] => ['-H', `unix://${daemon.socket}`];
    const command = (...args: string[]): string[] => [program, ...host(), ...args];

    function cli(args: string[], input?: string | Buffer): Promise<Output> {
      return new Promise((resolve) => {
        const child = execFile(
          program,
          [...host(), ...args],
          { maxBuffer: 1 << 28, encoding: 'utf8' },
          (error, stdout, stderr) => {
            resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr });
          },
        );
        child.stdin?.on('error', () => {});
        child.stdin?.end(input ?? '');
      });
    }
    async function good(...args: string[]): Promise<string> {
      const { status, stdout, stderr } = await cli(args);
      assert.equal(status, 0, `${args.join(' ')}: ${stderr}`);
      return stdout.trimEnd();
    }

    before(async () => {
      daemon = await startDaemon();
      scratch = mkdtempSync('/tmp/gantry-walk-');
      const { status, stderr } = await cli(['import', '--change', 'CMD ["bash"]', DEBIAN, 'debian:bookworm']);
      assert.equal(status, 0, stderr);
    });
    after(async () => {
      await daemon[Symbol.asyncDispose]();
      rmSync(scratch, { recursive: true, force: true });
    });

    it('runs a shell detached on a terminal and enters it', async () => {
      const id = await good('run', '-d', '-it', '--name', 'shell', 'debian:bookworm');
      assert.match(id, /^[0-9a-f]{64}$/);
      assert.match(await good('exec', 'shell', 'ls', '-l', '/proc/1/ns'), /net -> net:\[\d+\]/);
      const inside = await onTerminal(command('exec', '-it', 'shell', 'bash'), [
        ['expect', '# '],
        ['send', 'ls -l /proc/1/ns | wc -l; tty; exit 7\n'],
        ['expect', '/dev/pts/'],
      ]);
      assert.deepEqual([inside.failure, inside.status, inside.restored], [null, 7, true], inside.output);
    });

    it('sizes the terminal and follows its size', async () => {
      const sized = await onTerminal(command('exec', '-it', 'shell', 'bash', '--norc'), [
        ['expect', '# '],
        ['send', 'stty size\n'],
        ['expect', '24 80'],
        ['resize', 40, 100],
        ['sleep', 0.5],
        ['send', 'stty size\n'],
        ['expect', '40 100'],
        ['send', 'exit\n'],
      ]);
      assert.deepEqual([sized.failure, sized.status], [null, 0], sized.output);
    });

    it('attaches and leaves by ctrl-p ctrl-q', async () => {
      const attached = await onTerminal(command('attach', 'shell'), [
        ['send', 'echo in-$((40+2))\n'],
        ['expect', 'in-42'],
        ['send', '\x10\x11'],
      ]);
      assert.equal(attached.failure, null, attached.output);
      assert.equal(attached.restored, true);
      assert.equal(await good('inspect', '--format', '{{.State.Running}}', 'shell'), 'true');
    });

    it('leaves by detach keys of its own', async () => {
      const attached = await onTerminal(command('attach', '--detach-keys', 'ctrl-a,d', 'shell'), [
        ['send', 'echo again-$((1+1))\n'],
        ['expect', 'again-2'],
        ['send', '\x01d'],
      ]);
      assert.equal(attached.failure, null, attached.output);
      assert.equal(await good('inspect', '-f', '{{.State.Status}}', 'shell'), 'running');
    });

    it('runs in the background of a container', async () => {
      await good('exec', '-d', 'shell', 'sh', '-c', 'echo done >/tmp/background');
      for (let tries = 0; tries < 100; tries++) {
        if ((await cli(['exec', 'shell', 'cat', '/tmp/background'])).stdout === 'done\n') return;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      assert.fail('the command has not run');
    });

    it('shows processes, statistics and addresses', async () => {
      assert.match(await good('top', 'shell'), /^UID\s+PID\s+PPID[\s\S]*bash/);
      assert.match(await good('top', 'shell', '-o', 'pid,comm'), /^PID\s+COMMAND\n\d+\s+bash/);
      assert.match(
        await good('stats', '--no-stream', 'shell'),
        /CONTAINER ID[\s\S]*shell\s+\d+\.\d\d%\s+\d+(\.\d+)?[KM]iB \/ /,
      );
      assert.match(
        await good('inspect', '--format', '{{.NetworkSettings.IPAddress}}', 'shell'),
        /^\d+\.\d+\.\d+\.\d+$/,
      );
      assert.match(
        await good('ps'),
        /CONTAINER ID\s+IMAGE\s+COMMAND\s+CREATED\s+STATUS\s+PORTS\s+NAMES\n[0-9a-f]{12}\s+debian:bookworm\s+"bash"\s+.*Up .*\s+shell/,
      );
    });

    it('follows logs', async () => {
      await good(
        'run',
        '-d',
        '--name',
        'talker',
        'debian:bookworm',
        'sh',
        '-c',
        'for i in 1 2 3; do echo line $i; echo err $i >&2; sleep 0.3; done',
      );
      const followed = await cli(['logs', '-f', 'talker']);
      assert.equal(followed.stdout, 'line 1\nline 2\nline 3\n');
      assert.equal(followed.stderr, 'err 1\nerr 2\nerr 3\n');
      assert.equal(
        (await cli(['logs', '--tail', '1', 'talker'])).stdout + (await cli(['logs', '--tail', '1', 'talker'])).stderr,
        'err 3\n',
      );
      assert.match((await cli(['logs', '-t', 'talker'])).stdout, /^\d{4}-\d\d-\d\dT[\d:.]+Z line 1\n/);
      assert.equal(await good('wait', 'talker'), '0');
    });

    it('pauses and unpauses', async () => {
      await good('pause', 'shell');
      assert.match(await good('ps', '--filter', 'name=shell'), /\(Paused\)/);
      const refused = await cli(['exec', 'shell', 'true']);
      assert.notEqual(refused.status, 0);
      assert.match(refused.stderr, /is paused/);
      await good('unpause', 'shell');
      assert.equal(await good('inspect', '-f', '{{.State.Status}}', 'shell'), 'running');
    });

    it('stops with TERM, then KILL', async () => {
      await good(
        'run',
        '-d',
        '--name',
        'polite',
        'debian:bookworm',
        'bash',
        '-c',
        'trap "echo got TERM; exit 5" TERM; while :; do sleep 0.05; done',
      );
      await new Promise((resolve) => setTimeout(resolve, 300));
      await good('stop', 'polite');
      assert.equal(await good('inspect', '-f', '{{.State.ExitCode}}', 'polite'), '5');
      assert.match((await cli(['logs', 'polite'])).stdout, /got TERM/);
      await good(
        'run',
        '-d',
        '--name',
        'stubborn',
        'debian:bookworm',
        'bash',
        '-c',
        'trap "" TERM; while :; do sleep 0.05; done',
      );
      await new Promise((resolve) => setTimeout(resolve, 300));
      await good('stop', '-t', '1', 'stubborn');
      assert.equal(await good('inspect', '-f', '{{.State.ExitCode}}', 'stubborn'), '137');
    });

    it('kills, starts, restarts and renames', async () => {
      await good('kill', 'shell');
      assert.equal(await good('inspect', '-f', '{{.State.ExitCode}}', 'shell'), '137');
      await good('start', 'shell');
      assert.equal(await good('inspect', '-f', '{{.State.Running}}', 'shell'), 'true');
      await good('restart', '-t', '0', 'shell');
      await good('rename', 'shell', 'renamed');
      assert.equal(await good('inspect', '-f', '{{.Name}}', 'renamed'), '/renamed');
      await good('rename', 'renamed', 'shell');
    });

    it('tells what changed and commits it', async () => {
      await good('exec', 'shell', 'sh', '-c', 'echo new >/root/new; rm /etc/motd; echo more >>/etc/hostname.local');
      const diff = (await good('diff', 'shell')).split('\n');
      assert.ok(
        diff.includes('A /root/new') && diff.includes('D /etc/motd') && diff.includes('C /etc'),
        diff.join(' '),
      );
      assert.match(
        await good(
          'commit',
          '-a',
          'me',
          '-m',
          'a change',
          '--change',
          'ENV X=1',
          '--change',
          'CMD ["cat","/root/new"]',
          'shell',
          'mine:1',
        ),
        /^sha256:/,
      );
      assert.equal(await good('run', '--rm', 'mine:1'), 'new');
      assert.equal(await good('run', '--rm', 'mine:1', 'printenv', 'X'), '1');
      assert.match(await good('history', 'mine:1'), /IMAGE\s+CREATED\s+CREATED BY\s+SIZE\s+COMMENT[\s\S]*a change/);
      assert.match(await good('images'), /REPOSITORY\s+TAG\s+IMAGE ID\s+CREATED\s+SIZE[\s\S]*mine\s+1\s/);
    });

    it('exports, imports, saves and loads', async () => {
      await good('export', '-o', `${scratch}/export.tar`, 'shell');
      assert.match(await good('import', '-m', 'from an export', `${scratch}/export.tar`, 'flat:1'), /^sha256:/);
      assert.equal(await good('run', '--rm', 'flat:1', 'cat', '/root/new'), 'new');
      await good('save', '-o', `${scratch}/save.tar`, 'mine:1', 'flat:1');
      const id = await good('inspect', '-f', '{{.Id}}', 'mine:1');
      await good('rmi', 'mine:1', 'flat:1');
      assert.match(await good('load', '-i', `${scratch}/save.tar`), /Loaded image: (mine|flat):1/);
      assert.equal(await good('inspect', '-f', '{{.Id}}', 'mine:1'), id);
    });

    it('copies both ways', async () => {
      writeFileSync(`${scratch}/file`, 'from the host\n');
      await good('cp', `${scratch}/file`, 'shell:/tmp/file');
      assert.equal(await good('exec', 'shell', 'cat', '/tmp/file'), 'from the host');
      await good(
        'exec',
        'shell',
        'sh',
        '-c',
        'mkdir -p /tmp/d/e && echo deep >/tmp/d/e/f && ln -s /etc/passwd /tmp/d/link',
      );
      await good('cp', 'shell:/tmp/d', `${scratch}/d`);
      assert.equal(readFileSync(`${scratch}/d/e/f`, 'utf8'), 'deep\n');
      assert.match(
        (await cli(['cp', 'shell:/nope', scratch])).stderr,
        /Could not find the file \/nope in container shell|No such container:path: shell:\/nope/,
      );
    });

    it('passes exit codes, streams and signals on', async () => {
      assert.equal((await cli(['run', '--rm', 'debian:bookworm', 'sh', '-c', 'exit 42'])).status, 42);
      assert.equal((await cli(['run', '--rm', 'debian:bookworm', 'no-such-command'])).status, 127);
      assert.equal((await cli(['run', '--rm', 'debian:bookworm', '/etc'])).status, 126);
      assert.equal((await cli(['run', '--no-such-flag', 'debian:bookworm'])).status, 125);
      const piped = await cli(['run', '--rm', '-i', 'debian:bookworm', 'sort'], 'b\na\n');
      assert.equal(piped.stdout, 'a\nb\n');
      const split = await cli(['run', '--rm', 'debian:bookworm', 'sh', '-c', 'echo out; echo err >&2']);
      assert.deepEqual([split.stdout, split.stderr], ['out\n', 'err\n']);
      const child = spawn(program, [
        ...host(),
        'run',
        '--rm',
        'debian:bookworm',
        'bash',
        '-c',
        'trap "exit 9" INT; echo ready; while :; do sleep 0.05; done',
      ]);
      await new Promise((resolve) => child.stdout.once('data', resolve));
      child.kill('SIGINT');
      assert.equal(await new Promise((resolve) => child.once('exit', resolve)), 9);
    });

    it('carries a megabyte each way to the byte', async () => {
      const bytes = Buffer.alloc(1 << 20, 'gantry 0123456789\n');
      const { status, stdout } = await cli(['run', '--rm', '-i', 'debian:bookworm', 'cat'], bytes);
      assert.equal(status, 0);
      assert.equal(stdout, bytes.toString());
    });

    it('tells events of the past', async () => {
      const now = String(Math.trunc(Date.now() / 1000) + 1);
      const events = await good('events', '--since', '0', '--until', now, '--filter', 'container=stubborn');
      for (const action of ['create', 'start', 'kill', 'die', 'stop'])
        assert.match(events, new RegExp(` container ${action} [0-9a-f]{64} \\(.*name=stubborn`), events);
    });

    it('counts disk space and prunes', async () => {
      assert.match(await good('system', 'df'), /TYPE\s+TOTAL\s+ACTIVE\s+SIZE\s+RECLAIMABLE\nImages\s+\d/);
      assert.match(
        await good('system', 'df', '-v'),
        /Images space usage:[\s\S]*Containers space usage:[\s\S]*Local Volumes space usage:/,
      );
      assert.match(await good('info'), /Server Version:[\s\S]*Storage Driver: overlay2/);
      assert.match(await good('version'), /API version:/);
      await good('rm', '-f', 'shell');
      assert.match(await good('container', 'prune', '-f'), /Deleted Containers:[\s\S]*Total reclaimed space:/);
      assert.equal(await good('ps', '-aq'), '');
      assert.match(await good('system', 'prune', '-f'), /Total reclaimed space:/);
    });

    it('reaches Debian through NAT', async (t) => {
      const fetched = await cli(['run', '--rm', 'debian:bookworm', 'apt-get', 'update', '-q']);
      if (
        fetched.status !== 0 &&
        (await new Promise((resolve) => execFile('apt-get', ['update', '-q'], (error) => resolve(error !== null))))
      ) {
        t.skip('this machine does not reach its Debian mirror either');
        return;
      }
      assert.equal(fetched.status, 0, fetched.stderr);
    });
  });
}
