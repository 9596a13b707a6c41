/** The monitor with real runtimes: every behaviour is one that a user would miss. Needs root, crun, runc, busybox-static. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import { cgroupPids, setFrozen } from '../../src/linux/cgroup.ts';
import { processStartTime, signalProcess } from '../../src/linux/pidfd.ts';
import type { Monitor } from '../../src/runtime/contract.ts';
import { OciRuntimeProgram } from '../../src/runtime/oci-runtime.ts';
import { RuntimeError } from '../../src/runtime/runtime-error.ts';
import { readCgroupStats } from '../../src/runtime/stats.ts';
import { ALL, MonitorFixture, OUTPUT, PARENT, readAll, readLog, run, unframe } from './monitor-fixture.ts';

for (const runtime of ['crun', 'runc']) {
  describe(`monitor with ${runtime}`, { timeout: 120_000 }, () => {
    let fixture: MonitorFixture;
    before(() => {
      fixture = new MonitorFixture(runtime);
    });
    after(async () => {
      for (let i = 0; i < 50 && fixture.leftovers().length > 0; i++) await sleep(20);
      const left = fixture.leftovers();
      fixture.close();
      assert.deepEqual(left, []);
    });
    const kill = (monitor: Monitor, signal: NodeJS.Signals = 'SIGKILL') =>
      signalProcess(monitor.pid, processStartTime(monitor.pid)!, signal);

    it('tells output, exit code and times', async () => {
      const spec = fixture.spec(['sh', '-c', 'echo out; echo err >&2; echo "<&> \\"q\\" \\\\ é" ; exit 7']);
      const before = BigInt(Date.now()) * 1_000_000n;
      const monitor = await fixture.monitors.spawn(spec);
      assert.ok(monitor.pid > 0 && monitor.monitorPid > 0);
      assert.equal(monitor.startedAt, null);
      const { status, data } = await run(monitor);
      assert.equal(status.code, 7);
      assert.equal(status.signal, null);
      assert.equal(status.oomKilled, false);
      assert.ok(monitor.startedAt! >= before && status.finishedAt >= monitor.startedAt! - 1_000_000_000n);
      assert.deepEqual(unframe(data), { stdout: 'out\n<&> "q" \\ é\n', stderr: 'err\n' });
      assert.deepEqual(
        readLog(spec.log!.path)
          .filter((l) => l.stream === 'stdout')
          .map((l) => l.log),
        ['out\n', '<&> "q" \\ é\n'],
      );
      assert.match(
        fs.readFileSync(spec.log!.path, 'utf8'),
        /\{"log":"\\u003c\\u0026\\u003e \\"q\\" \\\\ é\\n","stream":"stdout","time":"\d{4}-/,
      );
      assert.deepEqual(fixture.monitors.readExit(spec.dir), status);
    });

    it('tells the signal that ended the process', async () => {
      const monitor = await fixture.monitors.spawn(fixture.spec(['sleep', '100']));
      await monitor.start();
      kill(monitor);
      const status = await monitor.exited;
      assert.deepEqual([status.code, status.signal], [137, 9]);
      await monitor.closed;
    });

    it('gives a terminal, its size and its input', async () => {
      const spec = fixture.spec(['sh', '-c', 'stty size; read x; echo "got $x"; stty size'], {
        tty: true,
        openStdin: true,
        stdinOnce: true,
        consoleSize: { rows: 11, columns: 22 },
      });
      const monitor = await fixture.monitors.spawn(spec);
      const stream = await monitor.attach(ALL);
      let text = '';
      stream.on('data', (chunk: Buffer) => (text += chunk));
      const ended = new Promise((resolve) => stream.once('end', resolve));
      await monitor.start();
      while (!text.includes('11 22')) await sleep(5);
      await monitor.resize(33, 44);
      await sleep(20);
      stream.write('hello\n');
      assert.equal((await monitor.exited).code, 0);
      await ended;
      assert.equal(text, '11 22\r\nhello\r\ngot hello\r\n33 44\r\n');
      await monitor.closed;
    });

    it('passes stdin on and its end', async () => {
      const spec = fixture.spec(['cat'], { openStdin: true, stdinOnce: true });
      const monitor = await fixture.monitors.spawn(spec);
      const stream = await monitor.attach(ALL);
      const output = readAll(stream);
      await monitor.start();
      const big = Buffer.alloc(3_000_000, 'abcdefghi\n');
      stream.end(big);
      assert.equal((await monitor.exited).code, 0);
      assert.ok(Buffer.from(unframe(await output).stdout).equals(big));
      await monitor.closed;
    });

    it('keeps stdin open for later clients without StdinOnce', async () => {
      const monitor = await fixture.monitors.spawn(
        fixture.spec(['sh', '-c', 'read a; read b; echo $a$b'], { openStdin: true }),
      );
      const first = await monitor.attach(ALL);
      await monitor.start();
      first.write('one\n');
      await sleep(50);
      first.destroy();
      const second = await monitor.attach(ALL);
      const output = readAll(second);
      second.write('two\n');
      await monitor.exited;
      assert.equal(unframe(await output).stdout, 'onetwo\n');
      await monitor.closed;
    });

    it('lets a process reopen /dev/stdout', async () => {
      fs.rmSync(path.join(fixture.dir, 'rootfs/dev/stdout'), { force: true });
      const { status, data } = await run(
        await fixture.monitors.spawn(fixture.spec(['sh', '-c', 'echo hi > /proc/self/fd/1'])),
      );
      assert.equal(status.code, 0);
      assert.equal(unframe(data).stdout, 'hi\n');
    });

    it('serves two clients and one that comes late', async () => {
      const monitor = await fixture.monitors.spawn(
        fixture.spec(['sh', '-c', 'echo a; read x; echo b'], { openStdin: true }),
      );
      const one = readAll(await monitor.attach(OUTPUT));
      const two = readAll(await monitor.attach(OUTPUT));
      await monitor.start();
      await sleep(150);
      const late = await monitor.attach(ALL);
      const three = readAll(late);
      late.write('\n');
      await monitor.closed;
      assert.equal(unframe(await one).stdout, 'a\nb\n');
      assert.equal(unframe(await two).stdout, 'a\nb\n');
      assert.equal(unframe(await three).stdout, 'b\n');
    });

    it('tells a client where in the log its stream goes on', async () => {
      const spec = fixture.spec(['sh', '-c', 'echo a; printf b; printf c >&2; read x; echo d'], { openStdin: true });
      const monitor = await fixture.monitors.spawn(spec);
      const first = await monitor.attachAtMark(OUTPUT);
      const { ino } = fs.statSync(spec.log!.path, { bigint: true });
      assert.deepEqual({ inode: first.mark.inode, offset: first.mark.offset }, { inode: ino, offset: 0 });
      const one = readAll(first.stream);
      await monitor.start();
      while (!/"a\\n"/.test(fs.readFileSync(spec.log!.path, 'utf8'))) await sleep(5);
      await sleep(100);
      const second = await monitor.attachAtMark(ALL);
      assert.equal(second.mark.inode, ino);
      assert.equal(second.mark.offset, fs.statSync(spec.log!.path).size);
      const two = readAll(second.stream);
      second.stream.write('\n');
      await monitor.closed;
      assert.deepEqual(unframe(await one), { stdout: 'a\nbd\n', stderr: 'c' });
      // What is not in the log yet comes with the stream.
      assert.deepEqual(unframe(await two), { stdout: 'bd\n', stderr: 'c' });
    });

    it('loses nothing for a slow client, nor in the log', async () => {
      const spec = fixture.spec(['sh', '-c', 'seq 1 600000']);
      const monitor = await fixture.monitors.spawn(spec);
      const stream = await monitor.attach(OUTPUT);
      stream.pause();
      await monitor.start();
      await sleep(400);
      assert.ok(fs.statSync(spec.log!.path).size < 600_000 * 80, 'the process waits for its reader');
      const { stdout } = unframe(await readAll(stream));
      const expected = Array.from({ length: 600_000 }, (_, i) => `${i + 1}\n`).join('');
      assert.ok(stdout === expected);
      assert.equal((await monitor.exited).code, 0);
      assert.equal(
        readLog(spec.log!.path)
          .map((l) => l.log)
          .join(''),
        expected,
      );
      await monitor.closed;
    });

    it('goes on when the daemon is killed, and is found again', async () => {
      const spec = fixture.spec([
        'sh',
        '-c',
        'i=0; while [ $i -lt 60 ]; do seq 1 2000; i=$((i+1)); sleep 0.02; done; exit 3',
      ]);
      const script = `
        import { ShimMonitors } from ${JSON.stringify(path.resolve('src/runtime/monitors.ts'))};
        import { detectCgroups } from ${JSON.stringify(path.resolve('src/linux/cgroup.ts'))};
        const monitors = new ShimMonitors({ shim: ${JSON.stringify(path.resolve('shim/build/gantry-shim'))}, cgroups: detectCgroups() });
        const monitor = await monitors.spawn(${JSON.stringify(spec)});
        await monitor.start();
        console.log('started ' + monitor.pid + ' ' + monitor.startedAt);
      `;
      const daemon = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const line = await new Promise<string>((resolve) =>
        daemon.stdout.once('data', (d: Buffer) => resolve(String(d))),
      );
      await sleep(100);
      daemon.kill('SIGKILL');
      const found = await fixture.monitors.reconnect({ id: spec.id, kind: 'container', dir: spec.dir });
      assert.ok(found !== null);
      assert.equal(`started ${found.pid} ${found.startedAt}\n`, line);
      const status = await found.exited;
      assert.equal(status.code, 3);
      await found.closed;
      assert.deepEqual(fixture.monitors.readExit(spec.dir), status);
      const once = Array.from({ length: 2000 }, (_, i) => `${i + 1}\n`).join('');
      assert.ok(
        readLog(spec.log!.path)
          .map((l) => l.log)
          .join('') === once.repeat(60),
      );
      assert.equal(await fixture.monitors.reconnect({ id: spec.id, kind: 'container', dir: spec.dir }), null);
    });

    it('undoes a container that is not started', async () => {
      const spec = fixture.spec(['sleep', '100']);
      const monitor = await fixture.monitors.spawn(spec);
      const startTime = processStartTime(monitor.pid);
      await monitor.abandon();
      assert.notEqual(processStartTime(monitor.pid), startTime);
      assert.equal(await new OciRuntimeProgram(fixture.runtime).state(spec.id), null);
    });

    it('undoes a container whose daemon died in the midst of create, though another has come', async () => {
      const [slow, creating, go] = ['slow-runtime', 'creating', 'go'].map((name) => path.join(fixture.dir, name));
      const wait = `case "$*" in *" create "*) : >${creating}; while [ ! -e ${go} ]; do sleep 0.01; done;; esac`;
      fs.writeFileSync(slow!, `#!/bin/sh\n${wait}\nexec ${fixture.runtime.path} "$@"\n`, { mode: 0o755 });
      const spec = fixture.spec(['sleep', '100'], { runtime: { ...fixture.runtime, path: slow! } });
      const script = `
        import { ShimMonitors } from ${JSON.stringify(path.resolve('src/runtime/monitors.ts'))};
        import { detectCgroups } from ${JSON.stringify(path.resolve('src/linux/cgroup.ts'))};
        const monitors = new ShimMonitors({ shim: ${JSON.stringify(path.resolve('shim/build/gantry-shim'))}, cgroups: detectCgroups() });
        await monitors.spawn(${JSON.stringify(spec)});
      `;
      const daemon = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], {
        stdio: ['ignore', 'ignore', 'inherit'],
      });
      while (!fs.existsSync(creating!)) await sleep(10);
      daemon.kill('SIGKILL');
      const found = fixture.monitors.reconnect({ id: spec.id, kind: 'container', dir: spec.dir });
      await sleep(100);
      fs.writeFileSync(go!, '');
      assert.equal(await found, null);
      assert.equal(await new OciRuntimeProgram(fixture.runtime).state(spec.id), null);
      for (const file of [creating!, go!]) fs.rmSync(file);
    });

    it('runs commands in a container', async () => {
      const spec = fixture.spec(['sleep', '100']);
      const container = await fixture.monitors.spawn(spec);
      await container.start();
      const { status, data } = await run(await fixture.spawnExec(spec, ['sh', '-c', 'echo $$; echo e >&2; exit 5']));
      assert.equal(status.code, 5);
      assert.equal(unframe(data).stderr, 'e\n');
      const quick = await Promise.all(
        Array.from({ length: 5 }, async () => (await run(await fixture.spawnExec(spec, ['true']))).status.code),
      );
      assert.deepEqual(quick, [0, 0, 0, 0, 0]);

      const tty = await run(await fixture.spawnExec(spec, ['tty'], { tty: true }));
      assert.match(tty.data.toString(), /^\/dev\/pts\/\d+\r\n$/);

      const input = await fixture.spawnExec(spec, ['cat'], { openStdin: true });
      const stream = await input.attach(ALL);
      const output = readAll(stream);
      await input.start();
      stream.end('through');
      assert.equal(unframe(await output).stdout, 'through');
      assert.equal((await input.exited).code, 0);
      await input.closed;

      for (const [command, code, text] of [
        ['nope', 127, /exec: "nope": executable file not found in \$PATH: unknown$/],
        ['/nope', 127, /exec: "\/nope": stat \/nope: no such file or directory: unknown$/],
        ['/etc/noexec', 126, /exec: "\/etc\/noexec": permission denied: unknown$/],
      ] as const) {
        const exec = await fixture.spawnExec(spec, [command]);
        const client = readAll(await exec.attach(OUTPUT));
        await assert.rejects(exec.start(), (error: RuntimeError) => {
          assert.equal(error.exitCode, code);
          assert.match(error.message, /^OCI runtime exec failed: exec failed: unable to start container process: /);
          assert.match(error.message, text);
          return true;
        });
        assert.equal((await client).length, 0, 'the complaint is not output');
        await exec.closed;
      }
      kill(container);
      await container.closed;
    });

    it('says why a container cannot be created', async () => {
      for (const [command, code] of [
        ['nope', 127],
        ['/etc/noexec', 126],
        ['/etc', 126],
      ] as const) {
        const spec = fixture.spec([command]);
        await assert.rejects(fixture.monitors.spawn(spec), (error: RuntimeError) => {
          assert.ok(error instanceof RuntimeError, String(error));
          assert.equal(error.exitCode, code, error.message);
          assert.match(
            error.message,
            /^failed to create task for container: failed to create shim task: OCI runtime create failed: .*: unknown$/,
          );
          return true;
        });
        assert.equal(await new OciRuntimeProgram(fixture.runtime).state(spec.id), null);
      }
    });

    it('tells of an out-of-memory kill', async () => {
      const spec = fixture.spec(['dd', 'if=/dev/zero', 'of=/dev/null', 'bs=200M', 'count=1'], {
        memory: 32 * 1024 * 1024,
      });
      const monitor = await fixture.monitors.spawn(spec);
      let seen = 0;
      monitor.onOom(() => seen++);
      await monitor.start();
      const status = await monitor.exited;
      assert.deepEqual([status.code, status.oomKilled], [137, true]);
      assert.ok(seen > 0);
      await monitor.closed;
    });

    it('freezes, lists and measures a cgroup, and updates its limits', async () => {
      const spec = fixture.spec(['sh', '-c', 'sleep 100 & yes > /dev/null & wait'], { memory: 64 * 1024 * 1024 });
      const monitor = await fixture.monitors.spawn(spec);
      await monitor.start();
      await sleep(150);
      const path_ = `${PARENT}/${spec.id}`;
      assert.equal(cgroupPids(fixture.cgroups, path_).length, 3);
      const stats = readCgroupStats(fixture.cgroups, path_);
      assert.ok(stats.cpu_stats.cpu_usage!.total_usage! > 10_000_000);
      assert.ok(stats.cpu_stats.system_cpu_usage! > 0 && stats.cpu_stats.online_cpus! > 0);
      assert.equal(stats.memory_stats.limit, 64 * 1024 * 1024);
      assert.ok(stats.memory_stats.usage! > 0);
      assert.deepEqual([stats.pids_stats.current, stats.pids_stats.limit], [3, 200]);
      await setFrozen(fixture.cgroups, path_, true);
      const used = () => readCgroupStats(fixture.cgroups, path_).cpu_stats.cpu_usage!.total_usage!;
      const frozen = used();
      await sleep(50);
      assert.equal(used(), frozen);
      await setFrozen(fixture.cgroups, path_, false);
      await sleep(50);
      assert.ok(used() > frozen);
      const program = new OciRuntimeProgram(fixture.runtime);
      await program.update(spec.id, { pids: { limit: 77 } });
      assert.equal(readCgroupStats(fixture.cgroups, path_).pids_stats.limit, 77);
      assert.equal((await program.state(spec.id))?.status, 'running');
      assert.match((await program.version()).version, /^\d+\.\d+/);
      kill(monitor);
      await monitor.closed;
    });

    it('ends a container whose monitor was killed', async () => {
      const spec = fixture.spec(['sleep', '100']);
      const monitor = await fixture.monitors.spawn(spec);
      await monitor.start();
      process.kill(monitor.monitorPid, 'SIGKILL');
      assert.equal((await monitor.exited).code, 137);
      await monitor.closed;
      await new OciRuntimeProgram(fixture.runtime).delete(spec.id, true);
    });
  });
}

describe('log files', { timeout: 60_000 }, () => {
  let fixture: MonitorFixture;
  /** The last file is still being compressed when the container has ended; gzip removes what it read as its last step. */
  const compressed = async ({ dir }: { dir: string }) => {
    for (let i = 0; i < 500 && fs.readdirSync(dir).some((name) => /^json\.log\.\d+$/.test(name)); i++) await sleep(20);
  };
  before(() => {
    fixture = new MonitorFixture('crun');
  });
  after(() => fixture.close());

  it('rotate by size, keep max-file of them and lose nothing between', async () => {
    const spec = fixture.spec(['seq', '1', '20000']);
    spec.log = fixture.log(spec.dir, { maxSize: 600_000, maxFiles: 3, attrs: '{"tag":"x"}' });
    await run(await fixture.monitors.spawn(spec));
    const files = fs.readdirSync(spec.dir).filter((name) => name.startsWith('json.log'));
    assert.deepEqual(files.sort(), ['json.log', 'json.log.1', 'json.log.2']);
    const lines = ['.2', '.1', ''].flatMap((suffix) => readLog(spec.log!.path + suffix));
    const last = lines.map((l) => Number(l.log));
    assert.equal(last.at(-1), 20000);
    assert.deepEqual(
      last,
      Array.from({ length: last.length }, (_, i) => 20000 - last.length + 1 + i),
    );
    assert.deepEqual(lines[0]!.attrs, { tag: 'x' });
    assert.ok(fs.statSync(`${spec.log.path}.1`).size <= 600_000 + 200);
  });

  it('are compressed when asked', async () => {
    const spec = fixture.spec(['seq', '1', '20000']);
    spec.log = fixture.log(spec.dir, { maxSize: 600_000, maxFiles: 3, compress: true });
    await run(await fixture.monitors.spawn(spec));
    await compressed(spec);
    const files = fs.readdirSync(spec.dir).filter((name) => name.startsWith('json.log'));
    assert.deepEqual(files.sort(), ['json.log', 'json.log.1.gz', 'json.log.2.gz']);
  });

  it('split long lines at 16 KiB and end without newline as the output did', async () => {
    const spec = fixture.spec([
      'sh',
      '-c',
      'head -c 40000 /dev/zero | busybox tr "\\0" x; printf "\\n\\377\\342\\200\\250tab\\tend"',
    ]);
    await run(await fixture.monitors.spawn(spec));
    const lines = readLog(spec.log!.path).map((l) => l.log);
    assert.deepEqual(
      lines.map((l) => l.length),
      [16384, 16384, 40000 - 32768 + 1, 9],
    );
    assert.match(fs.readFileSync(spec.log!.path, 'utf8'), /\{"log":"\\ufffd\\u2028tab\\u0009end","stream"/);
  });

  it('in the local format hold length, entry, length', async () => {
    const spec = fixture.spec(['echo', 'hello']);
    spec.log = fixture.log(spec.dir, { format: 'local' });
    await run(await fixture.monitors.spawn(spec));
    const data = fs.readFileSync(spec.log.path);
    const length = data.readUInt32BE(0);
    assert.equal(data.length, length + 8);
    assert.equal(data.readUInt32BE(4 + length), length);
    assert.ok(data.includes('\x0a\x06stdout') && data.includes('\x1a\x05hello'));
  });

  it('that cannot be written lose whole lines in non-blocking mode, and never hold the process up', async () => {
    const spec = fixture.spec(['seq', '1', '100000']);
    spec.log = fixture.log(spec.dir, { buffer: 65_536 });
    // A pipe that nobody reads stands for a disk that hangs.
    execFileSync('mkfifo', [spec.log.path]);
    const disk = fs.openSync(spec.log.path, fs.constants.O_RDWR | fs.constants.O_NONBLOCK);
    const monitor = await fixture.monitors.spawn(spec);
    const stream = await monitor.attach(OUTPUT);
    await monitor.start();
    let seen = '';
    for await (const chunk of stream) {
      seen += chunk;
      if (seen.endsWith('100000\n')) break;
    }
    let written = '';
    const buffer = Buffer.alloc(65_536);
    const drain = setInterval(() => {
      try {
        for (;;) written += buffer.toString('utf8', 0, fs.readSync(disk, buffer));
      } catch {
        // Empty for now.
      }
    }, 1);
    assert.equal((await monitor.exited).code, 0);
    await monitor.closed;
    await sleep(5);
    clearInterval(drain);
    fs.closeSync(disk);
    const lines = written.split('\n');
    assert.equal(lines.pop(), '');
    const numbers = lines.map((line) => Number((JSON.parse(line) as { log: string }).log));
    assert.ok(numbers.length > 1000 && numbers.length < 50_000, `${numbers.length} lines were kept`);
    assert.equal(numbers[0], 1);
    assert.ok(numbers.every((number, at) => at === 0 || number > numbers[at - 1]!));
  });

  it('in non-blocking mode rotate, compress and hold everything when the disk keeps up', async () => {
    const spec = fixture.spec(['seq', '1', '20000']);
    spec.log = fixture.log(spec.dir, { maxSize: 600_000, maxFiles: 9, compress: true, buffer: 4_000_000 });
    await run(await fixture.monitors.spawn(spec));
    await compressed(spec);
    const text = fs
      .readdirSync(spec.dir)
      .filter((name) => name.startsWith('json.log'))
      .sort()
      .reverse()
      .map((name) => fs.readFileSync(path.join(spec.dir, name)))
      .map((data) => (data[0] === 0x1f ? gunzipSync(data) : data).toString());
    const numbers = text
      .join('')
      .trim()
      .split('\n')
      .map((line) => Number((JSON.parse(line) as { log: string }).log));
    assert.deepEqual(
      numbers,
      Array.from({ length: 20_000 }, (_, i) => i + 1),
    );
  });

  it('are not there without a sink', async () => {
    const spec = fixture.spec(['echo', 'hello'], { log: null });
    await run(await fixture.monitors.spawn(spec));
    assert.ok(!fs.existsSync(path.join(spec.dir, 'json.log')));
  });
});
