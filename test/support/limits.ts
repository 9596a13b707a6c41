/** Resource limits on real cgroups, whichever version the machine has. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, rmdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { readCgroupFile } from '../../src/linux/cgroup.ts';
import { eventually } from '../integration/containers-api.ts';
import { blockDevice, type LimitsMachine, PATIENCE_MS } from './limits-machine.ts';

const MB = 2 ** 20;
const CLI = fileURLToPath(new URL('../../bin/gantry', import.meta.url));

/** Registers the tests; `machine` is asked for when they run. */
export function testLimits(machine: () => LimitsMachine): void {
  describe('limits', () => {
    test('of a new container are those of its cgroup', async () => {
      const m = machine();
      const id = await m.started({
        Memory: 64 * MB,
        MemorySwap: 96 * MB,
        MemoryReservation: 32 * MB,
        CpuShares: 512,
        NanoCpus: 5e8,
        CpusetCpus: '0',
        PidsLimit: 40,
      });
      assert.deepEqual(m.limits(id), {
        memory: 64 * MB,
        swap: 32 * MB,
        reservation: 32 * MB,
        shares: m.shares(512),
        quota: 50_000,
        period: 100_000,
        cpus: '0',
        pids: 40,
      });
      const { HostConfig } = await m.api.ok('GET', `/containers/${id}/json`);
      assert.deepEqual(
        [HostConfig.Memory, HostConfig.MemorySwap, HostConfig.NanoCpus, HostConfig.PidsLimit],
        [64 * MB, 96 * MB, 5e8, 40],
      );
      assert.match((await m.api.exec(id, ['nproc'])).output, /^1\n$/);
      await m.remove(id);
    });

    test('a memory limit without one for swap allows as much swap again', async () => {
      const m = machine();
      const id = await m.started({ Memory: 64 * MB });
      const { memory, swap, pids, quota } = m.limits(id);
      assert.deepEqual({ memory, swap, pids, quota }, { memory: 64 * MB, swap: 64 * MB, pids: null, quota: null });
      await m.remove(id);
      const unlimited = await m.started({ Memory: 64 * MB, MemorySwap: -1 });
      assert.equal(m.limits(unlimited).swap, null);
      await m.remove(unlimited);
    });

    test('are changed while it runs', async () => {
      const m = machine();
      const id = await m.started({
        Memory: 64 * MB,
        MemorySwap: 64 * MB,
        CpuPeriod: 50_000,
        CpuQuota: 25_000,
      });
      const update = async (body: object) => {
        const answer = await m.api.ok('POST', `/containers/${id}/update`, body);
        assert.deepEqual(answer.Warnings ?? [], []);
        return m.limits(id);
      };
      const grown = await update({ Memory: 128 * MB, MemorySwap: 256 * MB });
      assert.deepEqual([grown.memory, grown.swap], [128 * MB, 128 * MB]);
      const shrunk = await update({ Memory: 32 * MB, MemorySwap: 48 * MB, MemoryReservation: 16 * MB });
      assert.deepEqual([shrunk.memory, shrunk.swap, shrunk.reservation], [32 * MB, 16 * MB, 16 * MB]);
      assert.equal((await update({ CpuShares: 2048 })).shares, m.shares(2048));
      const cpu = await update({ CpuPeriod: 20_000, CpuQuota: 5000 });
      assert.deepEqual([cpu.period, cpu.quota], [20_000, 5000]);
      assert.equal((await update({ CpusetCpus: '0' })).cpus, '0');
      assert.equal((await update({ PidsLimit: 77 })).pids, 77);
      // What was not named stays.
      const end = await update({ PidsLimit: -1 });
      assert.deepEqual(end, { ...m.limits(id), pids: null, memory: 32 * MB, quota: 5000, shares: m.shares(2048) });
      // Each limit can be taken away again.
      const free = await update({ MemorySwap: -1, CpuQuota: -1 });
      assert.deepEqual([free.swap, free.quota, free.memory], [null, null, 32 * MB]);
      await update({ MemorySwap: 64 * MB });
      const swapless = await m.api.call('POST', `/containers/${id}/update`, { Memory: 96 * MB });
      assert.equal(swapless.status, 409);
      assert.match(swapless.body.message, /update the memoryswap at the same time/);
      await m.remove(id);
    });

    test('out of memory: killed, with the flag and one event', async () => {
      const m = machine();
      const { code, id } = await m.run('exec dd if=/dev/zero of=/dev/null bs=64M count=1', {
        Memory: 16 * MB,
        MemorySwap: 16 * MB,
      });
      const { State } = await m.api.ok('GET', `/containers/${id}/json`);
      assert.deepEqual([code, State.OOMKilled, State.Status], [137, true, 'exited']);
      assert.deepEqual(await m.actions(id), ['create', 'attach', 'start', 'oom', 'die']);
      await m.remove(id);
    });

    test('out of memory below the first process: an event, and it runs on', async () => {
      const m = machine();
      const id = await m.started(
        { Memory: 16 * MB, MemorySwap: 16 * MB },
        'dd if=/dev/zero of=/dev/null bs=64M count=1; exec sleep 100000',
      );
      await eventually(async () => (await m.actions(id)).includes('oom'), 'the event oom', PATIENCE_MS);
      assert.equal((await m.api.ok('GET', `/containers/${id}/json`)).State.Status, 'running');
      await m.remove(id);
    });

    test('processes: a fork too many fails', async () => {
      const m = machine();
      // Room enough for the threads of runc itself, which counts until the start.
      const output = await m.output('for i in $(seq 30); do sleep 100 & done; echo all', { PidsLimit: 20 });
      assert.match(output, /can't fork: Resource temporarily unavailable/);
    });

    test('CPU quota: a busy container is held back', async () => {
      const m = machine();
      const id = await m.started({ NanoCpus: 1e8 }, 'while :; do :; done');
      await sleep(1000);
      const stats = await m.api.ok('GET', `/containers/${id}/stats?stream=0&one-shot=1`);
      const { periods, throttled_periods, throttled_time } = stats.cpu_stats.throttling_data;
      assert.ok(periods > 0 && throttled_periods > 0 && throttled_time > 0, JSON.stringify(stats.cpu_stats));
      await m.remove(id);
    });

    test('block I/O: throttled per device', async (t) => {
      const m = machine();
      const device = blockDevice();
      if (device === null) return t.skip('the machine has no block device');
      const rate = (Rate: number) => [{ Path: device.path, Rate }];
      const id = await m.started({
        BlkioDeviceReadBps: rate(MB),
        BlkioDeviceWriteBps: rate(2 * MB),
        BlkioDeviceReadIOps: rate(100),
        BlkioDeviceWriteIOps: rate(200),
      });
      if (m.v2) {
        assert.equal(
          readCgroupFile(m.file('io', id, 'io.max')),
          `${device.number} rbps=${MB} wbps=${2 * MB} riops=100 wiops=200\n`,
        );
      } else {
        const read = (name: string) => readCgroupFile(m.file('blkio', id, `blkio.throttle.${name}_device`));
        assert.equal(read('read_bps'), `${device.number} ${MB}\n`);
        assert.equal(read('write_bps'), `${device.number} ${2 * MB}\n`);
        assert.equal(read('read_iops'), `${device.number} 100\n`);
        assert.equal(read('write_iops'), `${device.number} 200\n`);
      }
      await m.remove(id);
      assert.match(
        await m.failure({ BlkioDeviceReadBps: [{ Path: '/dev/none-such', Rate: MB }] }),
        /^stat \/dev\/none-such: no such file or directory$/,
      );
    });

    test('block I/O: a weight', async (t) => {
      const m = machine();
      const body = { Image: 'busybox', Cmd: ['sleep', '1000'], HostConfig: { BlkioWeight: 500 } };
      const { Id, Warnings } = await m.api.ok('POST', '/containers/create', body);
      try {
        if (Warnings.length > 0) {
          assert.match(Warnings[0], /^Your kernel does not support Block I\/O weight/);
          return t.skip(Warnings[0]);
        }
        await m.api.ok('POST', `/containers/${Id}/start`);
        // The range 10..1000 laid over 1..10000 where the kernel has no BFQ, which takes Docker's own.
        const bfq = readCgroupFile(m.file(m.v2 ? 'io' : 'blkio', Id, `${m.v2 ? 'io' : 'blkio'}.bfq.weight`));
        if (bfq !== null) assert.match(bfq, /\b500$/m);
        else if (m.v2) assert.equal(readCgroupFile(m.file('io', Id, 'io.weight')), 'default 4950\n');
        else assert.equal(readCgroupFile(m.file('blkio', Id, 'blkio.weight')), '500\n');
      } finally {
        await m.remove(Id);
      }
    });

    test("hold in a parent of the user's choice, and for cgroups that a privileged container makes", async () => {
      const m = machine();
      const parent = `gantry-test-${process.pid}`;
      const script = `cd /sys/fs/cgroup${m.v2 ? '' : '/memory'}; mkdir -p a/b && echo $$ >a/b/cgroup.procs && echo in; exec sleep 100000`;
      const id = await m.create(script, {
        CgroupParent: `/${parent}`,
        CgroupnsMode: 'private',
        Privileged: true,
        Memory: 64 * MB,
      });
      const stream = await m.api.hijack(`/containers/${id}/attach?stream=1&stdout=1&stderr=1`);
      await m.api.ok('POST', `/containers/${id}/start`);
      await stream.until('in\n', PATIENCE_MS);
      stream.socket.destroy();
      const directory = m.cgroups.directory('memory', `/${parent}/${id}`)!;
      assert.match(readCgroupFile(`${directory}/a/b/cgroup.procs`)!, /\d/);
      const limit = readCgroupFile(`${directory}/${m.v2 ? 'memory.max' : 'memory.limit_in_bytes'}`);
      assert.equal(limit, `${64 * MB}\n`);
      // Processes below the container's own cgroup are seen as its.
      const { Processes } = await m.api.ok('GET', `/containers/${id}/top`);
      assert.equal(Processes.length, 1);
      await m.remove(id);
      assert.equal(existsSync(directory), false);
      for (const controller of [...m.cgroups.controllers, 'systemd']) {
        const left =
          controller === 'systemd' ? `/sys/fs/cgroup/systemd/${parent}` : m.cgroups.directory(controller, parent)!;
        if (existsSync(left)) rmdirSync(left);
      }
    });

    test('what the kernel cannot limit is dropped with a warning', async (t) => {
      const m = machine();
      const answer = await m.api.ok('POST', '/containers/create', {
        Image: 'busybox',
        Cmd: ['true'],
        HostConfig: { MemorySwappiness: 10, OomKillDisable: true, Memory: 64 * MB },
      });
      await m.remove(answer.Id);
      if (!m.v2) {
        assert.deepEqual(answer.Warnings, []);
        return t.diagnostic('cgroup v1 has both');
      }
      assert.deepEqual(answer.Warnings, [
        'Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. Memory swappiness discarded.',
        'Your kernel does not support OomKillDisable. OomKillDisable discarded.',
      ]);
    });

    test('pause stops every process, and unpause lets them go on', async () => {
      const m = machine();
      const id = await m.started({}, 'i=0; while :; do i=$((i+1)); echo $i >/n; sleep 0.05; done');
      const path = (await m.api.ok('GET', `/containers/${id}/json`)).State.Pid;
      const count = () => readFileSync(`/proc/${path}/root/n`, 'utf8');
      await eventually(() => existsSync(`/proc/${path}/root/n`), 'the first count', PATIENCE_MS);
      await m.api.ok('POST', `/containers/${id}/pause`);
      assert.equal((await m.api.ok('GET', `/containers/${id}/json`)).State.Status, 'paused');
      const frozen = m.v2
        ? readCgroupFile(m.file('freezer', id, 'cgroup.freeze'))
        : readCgroupFile(m.file('freezer', id, 'freezer.state'));
      assert.equal(frozen, m.v2 ? '1\n' : 'FROZEN\n');
      const before = count();
      await sleep(500);
      assert.equal(count(), before);
      // The counters of a paused container are there, and its limits can change.
      const stats = await m.api.ok('GET', `/containers/${id}/stats?stream=0&one-shot=1`);
      assert.ok(stats.memory_stats.usage > 0);
      await m.api.ok('POST', `/containers/${id}/update`, { PidsLimit: 20 });
      assert.equal((await m.api.call('POST', `/containers/${id}/exec`, { Cmd: ['true'] })).status, 409);
      await m.api.ok('POST', `/containers/${id}/unpause`);
      await eventually(() => count() !== before && count() !== '', 'the count goes on', PATIENCE_MS);
      await m.remove(id);
    });

    test('stats have what docker stats computes from', async () => {
      const m = machine();
      const id = await m.started({ Memory: 64 * MB, PidsLimit: 50, NetworkMode: 'bridge' }, 'while :; do :; done');
      const stats = await m.api.ok('GET', `/containers/${id}/stats?stream=0`);
      const { cpu_stats, precpu_stats, memory_stats, pids_stats, blkio_stats, networks } = stats;
      const used = cpu_stats.cpu_usage.total_usage - precpu_stats.cpu_usage.total_usage;
      const total = cpu_stats.system_cpu_usage - precpu_stats.system_cpu_usage;
      assert.equal(cpu_stats.online_cpus, availableParallelism());
      // One busy loop, on a machine that others may share.
      const percent = (used / total) * cpu_stats.online_cpus * 100;
      assert.ok(percent > 5 && percent < 130, `CPU ${percent} %`);
      assert.ok(cpu_stats.cpu_usage.usage_in_usermode + cpu_stats.cpu_usage.usage_in_kernelmode > 0);
      assert.ok(memory_stats.usage > 0 && memory_stats.usage <= 64 * MB);
      assert.equal(memory_stats.limit, 64 * MB);
      assert.equal(typeof memory_stats.stats[m.v2 ? 'inactive_file' : 'total_inactive_file'], 'number');
      // The CLI tells the version by this field's presence.
      assert.equal('total_inactive_file' in memory_stats.stats, !m.v2);
      assert.equal('percpu_usage' in cpu_stats.cpu_usage, !m.v2);
      assert.deepEqual(pids_stats, { current: 1, limit: 50 });
      assert.ok(Array.isArray(blkio_stats.io_service_bytes_recursive));
      assert.deepEqual(Object.keys(networks), ['eth0']);
      await m.remove(id);
    });

    test('hold when the daemon is killed; stats, update and stop work after its return', async () => {
      const m = machine();
      const id = await m.started(
        { Memory: 32 * MB, MemorySwap: 32 * MB, PidsLimit: 30 },
        'trap "exit 9" TERM; while :; do sleep 0.1; done',
      );
      const paused = await m.started();
      await m.api.ok('POST', `/containers/${paused}/pause`);
      await m.daemon.kill9();
      await m.daemon.start();
      assert.equal((await m.api.ok('GET', `/containers/${paused}/json`)).State.Status, 'paused');
      await m.api.ok('POST', `/containers/${paused}/unpause`);
      assert.equal((await m.api.exec(paused, ['echo', 'awake'])).output, 'awake\n');
      await m.remove(paused);
      assert.equal(m.limits(id).memory, 32 * MB);
      const stats = await m.api.ok('GET', `/containers/${id}/stats?stream=0&one-shot=1`);
      assert.equal(stats.memory_stats.limit, 32 * MB);
      await m.api.ok('POST', `/containers/${id}/update`, { PidsLimit: 31 });
      assert.equal(m.limits(id).pids, 31);
      // It takes the blame for all: what runs beside it must not be chosen.
      const greedy = 'echo 1000 >/proc/self/oom_score_adj; exec dd if=/dev/zero of=/dev/null bs=64M count=1';
      const killed = await m.api.exec(id, ['sh', '-c', greedy]);
      assert.equal(killed.code, 137);
      await eventually(async () => (await m.actions(id)).includes('oom'), 'the event oom', PATIENCE_MS);
      await m.api.ok('POST', `/containers/${id}/stop?t=60`);
      assert.equal((await m.api.ok('GET', `/containers/${id}/json`)).State.ExitCode, 9);
      await m.remove(id);
    });

    test('by the command line', async () => {
      const m = machine();
      const read = m.v2
        ? 'cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max'
        : 'cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/pids/pids.max';
      const args = [
        '-H',
        `unix://${m.daemon.socket}`,
        'run',
        '--rm',
        '--net',
        'none',
        '-m',
        '64m',
        '--pids-limit',
        '9',
        '--cpus',
        '.5',
      ];
      const output = execFileSync(CLI, [...args, 'busybox', 'sh', '-c', read], { encoding: 'utf8' });
      assert.equal(output, `${64 * MB}\n9\n`);
    });
  });
}
