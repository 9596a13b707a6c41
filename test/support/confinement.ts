/** What keeps a container in: devices, capabilities, seccomp, AppArmor, cgroup namespaces, read-only paths. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { APPARMOR_PARSER } from '../../src/runtime/spec/apparmor-profile.ts';
import type { LimitsMachine } from './limits-machine.ts';

/** A major number for local use: no driver behind it, so an open that is let through ends with "No such device". */
const LOCAL_MAJOR = 120;
const DENIED = /Operation not permitted/;
const LET_THROUGH = /No such device/;
const NO_APPARMOR = existsSync('/sys/kernel/security/apparmor') ? false : 'the kernel runs without AppArmor';

/** Registers the tests; `machine` is asked for when they run. */
export function testConfinement(machine: () => LimitsMachine): void {
  describe('devices', () => {
    const probe = (minor: number) =>
      `mknod /d c ${LOCAL_MAJOR} ${minor} && cat /d; echo x >/d; echo x >/dev/null && head -c 1 /dev/zero | wc -c`;

    test('the harmless ones work, others do not, even where a node can be made', async () => {
      const [read, write, zero] = (await machine().output(probe(7))).split('\n');
      assert.match(read!, DENIED);
      assert.match(write!, DENIED);
      assert.equal(zero, '1');
    });

    test('--device-cgroup-rule lets through what it names', async () => {
      const m = machine();
      const DeviceCgroupRules = [`c ${LOCAL_MAJOR}:7 rm`];
      const [read, write] = (await m.output(probe(7), { DeviceCgroupRules })).split('\n');
      assert.match(read!, LET_THROUGH);
      assert.match(write!, DENIED);
      assert.match((await m.output(probe(8), { DeviceCgroupRules })).split('\n')[0]!, DENIED);
    });

    test('--device makes the node and gives the access asked for', async () => {
      const m = machine();
      const node = join(m.daemon.directory, 'node');
      execFileSync('mknod', ['-m', '640', node, 'c', String(LOCAL_MAJOR), '9']);
      const script = 'stat -c "%a %t:%T" /dev/mine; cat /dev/mine; echo x >/dev/mine';
      const Devices = [{ PathOnHost: node, PathInContainer: '/dev/mine', CgroupPermissions: 'r' }];
      const [made, read, write] = (await m.output(script, { Devices })).split('\n');
      assert.equal(made, '640 78:9');
      assert.match(read!, LET_THROUGH);
      assert.match(write!, DENIED);
      assert.match(
        await m.failure({
          Devices: [{ PathOnHost: '/dev/none-such', PathInContainer: '/dev/x', CgroupPermissions: 'rwm' }],
        }),
        /error gathering device information while adding custom device "\/dev\/none-such": no such file or directory/,
      );
    });

    test('--privileged has all of the host', async () => {
      const m = machine();
      const script = [
        probe(7),
        'ls /dev/ptmx /dev/kmsg',
        'mkdir /m && mount -t tmpfs none /m && echo mounted',
        'grep -E "^(CapEff|Seccomp):" /proc/self/status',
        'test -w /proc/sys/kernel/hostname && mount | grep -c " on /sys type sysfs (rw"',
      ].join('\n');
      const lines = (await m.output(script, { Privileged: true })).split('\n');
      assert.match(lines[0]!, LET_THROUGH);
      assert.match(lines[1]!, LET_THROUGH);
      const own = /^CapBnd:\s*(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8'))![1];
      assert.deepEqual(lines.slice(2), [
        '1',
        '/dev/kmsg',
        '/dev/ptmx',
        'mounted',
        `CapEff:\t${own}`,
        'Seccomp:\t0',
        '1',
      ]);
    });
  });

  describe('cgroup namespace', () => {
    test('private: the container sees itself as the root, and only reads', async () => {
      const m = machine();
      const cgroup = `/sys/fs/cgroup/${m.v2 ? '' : 'memory'}`;
      const lines = (await m.output(`cat /proc/self/cgroup; mkdir ${cgroup}/x`, { CgroupnsMode: 'private' })).split(
        '\n',
      );
      assert.match(lines.pop()!, /Read-only file system/);
      assert.ok(lines.length > 0 && lines.every((line) => line.endsWith(':/')), lines.join('\n'));
      if (!m.v2) return;
      // On v2 it is the default, and the limits are in sight at the root.
      const { HostConfig } = await m.api.ok('GET', `/containers/${await m.create('true')}/json`);
      assert.equal(HostConfig.CgroupnsMode, 'private');
      assert.equal(await m.output('cat /sys/fs/cgroup/memory.max', { Memory: 2 ** 26 }), String(2 ** 26));
    });

    test('host: the container sees its path', async () => {
      const { output, id } = await machine().run('cat /proc/self/cgroup', { CgroupnsMode: 'host' });
      assert.match(output, new RegExp(`/gantry/${id}$`, 'm'));
    });
  });

  describe('capabilities and privileges', () => {
    const script = 'grep -E "^(CapEff|CapBnd|NoNewPrivs):" /proc/self/status | cut -f 2; chown 1 /tmp && echo chown';

    test("Docker's fourteen by default", async () => {
      const output = await machine().output(script);
      assert.equal(output, '00000000a80425fb\n00000000a80425fb\n0\nchown');
    });

    test('dropped, added, and none for another user', async () => {
      const m = machine();
      const [effective, bounding, noNew, chown] = (
        await m.output(script, { CapDrop: ['ALL'], CapAdd: ['NET_ADMIN'], SecurityOpt: ['no-new-privileges'] })
      ).split('\n');
      assert.deepEqual([effective, bounding, noNew], ['0000000000001000', '0000000000001000', '1']);
      assert.match(chown!, DENIED);
      const user = await m.run(script, { AutoRemove: true }, { User: 'nobody' });
      assert.match(user.output, /^0{16}\n00000000a80425fb\n0\n/);
    });
  });

  describe('seccomp', () => {
    const mode = 'grep ^Seccomp: /proc/self/status | cut -f 2';

    test('on by default: what the profile lacks is refused', async () => {
      const output = await machine().output(`${mode}; unshare -U true`);
      assert.match(output, /^2\nunshare: .*Operation not permitted/);
    });

    test('unconfined: off', async () => {
      assert.equal(
        await machine().output(`${mode}; unshare -U echo in`, { SecurityOpt: ['seccomp=unconfined'] }),
        '0\nin',
      );
    });

    test("a profile of one's own", async () => {
      const profile = {
        defaultAction: 'SCMP_ACT_ALLOW',
        syscalls: [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO', errnoRet: 28 }],
      };
      const output = await machine().output(`${mode}; mkdir /x`, {
        SecurityOpt: [`seccomp=${JSON.stringify(profile)}`],
      });
      assert.match(output, /^2\nmkdir: .*No space left on device/);
    });
  });

  describe('paths', () => {
    const script = [
      'echo x >/proc/sys/kernel/hostname',
      'echo x >/proc/sysrq-trigger',
      'echo 1 >/sys/kernel/mm/ksm/run',
      'wc -c </proc/interrupts',
      'ls /sys/firmware | wc -l',
    ].join('; ');

    test("the kernel's controls are read-only, and what tells of the host is masked", async () => {
      const [...lines] = (await machine().output(script)).split('\n');
      // AppArmor, where it is, refuses before the file system does.
      for (const line of lines.splice(0, 3))
        assert.match(line, /Read-only file system|Permission denied|nonexistent directory/);
      assert.deepEqual(lines, ['0', '0']);
    });

    test('a read-only root with a writable tmpfs', async () => {
      const output = await machine().output('touch /x; touch /scratch/x && echo scratch', {
        ReadonlyRootfs: true,
        Tmpfs: { '/scratch': 'size=1m' },
      });
      assert.match(output, /Read-only file system\nscratch$/);
    });
  });

  describe('AppArmor', { skip: NO_APPARMOR }, () => {
    const current = 'cat /proc/self/attr/current';
    // Nothing but AppArmor in the way: writable /proc/sys, the capability, no seccomp.
    const open = { CapAdd: ['SYS_ADMIN'], MaskedPaths: [], ReadonlyPaths: [] };
    const attempt = `${current}; mkdir /m; mount -t tmpfs none /m && echo mounted; echo dom >/proc/sys/kernel/hostname && echo written`;
    const custom = 'gantry-test-custom';

    before(() => {
      const text = `profile ${custom} flags=(attach_disconnected) {\n file,\n capability,\n deny /forbidden w,\n}\n`;
      execFileSync(APPARMOR_PARSER, ['-Kr'], { input: text });
    });

    test('the default profile confines, exec included, and does not keep signals out', async () => {
      const m = machine();
      const id = await m.started(open, 'trap "exit 4" TERM; while :; do sleep 0.1; done');
      assert.equal((await m.api.ok('GET', `/containers/${id}/json`)).AppArmorProfile, 'gantry-default');
      const { output } = await m.api.exec(id, ['sh', '-c', `exec 2>&1; ${attempt}`], { Privileged: true });
      const [profile, mounted, written] = output.split('\n');
      assert.equal(profile, 'gantry-default (enforce)');
      assert.match(mounted!, /mount: .*(Permission denied|denied)/);
      assert.match(written!, /Permission denied/);
      await m.api.ok('POST', `/containers/${id}/stop?t=60`);
      assert.equal((await m.api.ok('GET', `/containers/${id}/json`)).State.ExitCode, 4);
      await m.remove(id);
    });

    test('apparmor=unconfined, and --privileged, are free', async () => {
      const m = machine();
      const free = await m.run(attempt, { ...open, SecurityOpt: ['apparmor=unconfined'] });
      assert.equal(free.output, 'unconfined\nmounted\nwritten');
      assert.equal((await m.api.ok('GET', `/containers/${free.id}/json`)).AppArmorProfile, 'unconfined');
      assert.equal(await m.output(attempt, { Privileged: true }), 'unconfined\nmounted\nwritten');
    });

    test("a profile of one's own, and one that is not there", async () => {
      const m = machine();
      const own = await m.run(`${current}; echo x >/forbidden`, { SecurityOpt: [`apparmor=${custom}`] });
      assert.match(own.output, new RegExp(`^${custom} \\(enforce\\)\n.*Permission denied`));
      assert.equal((await m.api.ok('GET', `/containers/${own.id}/json`)).AppArmorProfile, custom);
      assert.match(await m.failure({ SecurityOpt: ['apparmor=none-such'] }), /apparmor/i);
    });

    test('the default profile is loaded again when the host has lost it', async () => {
      writeFileSync('/sys/kernel/security/apparmor/.remove', 'gantry-default');
      assert.equal(await machine().output(current), 'gantry-default (enforce)');
    });

    test('the daemon tells of it', async () => {
      const { SecurityOptions } = await machine().api.ok('GET', '/info');
      assert.ok(SecurityOptions.includes('name=apparmor'), SecurityOptions.join());
    });
  });
}
