/**
 * Generated specs, run for real by each OCI runtime that is installed, on a busybox root file system; what the process then sees in /proc is
 * compared with what was asked for. Needs root.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { ContainerConfig } from '../../src/api/schemas/container.ts';
import type { HostConfig } from '../../src/api/schemas/host-config.ts';
import { detectCgroups, removeEmptyCgroup } from '../../src/linux/cgroup.ts';
import { DEFAULT_APPARMOR_PROFILE, ensureAppArmorProfile } from '../../src/runtime/spec/apparmor-profile.ts';
import { CAPABILITIES, DEFAULT_CAPABILITIES } from '../../src/runtime/spec/capabilities.ts';
import { readHostFacts } from '../../src/runtime/spec/host-facts.ts';
import type { SpecInput } from '../../src/runtime/spec/input.ts';
import { buildSpec, stringifySpec } from '../../src/runtime/spec/spec.ts';
import { lookupUser } from '../../src/runtime/spec/user.ts';
import { ensureWorkingDirectory } from '../../src/runtime/spec/working-directory.ts';

const BUSYBOX = ['/bin/busybox', '/usr/bin/busybox'].find((path) => existsSync(path));
const RUNTIMES = ['crun', 'runc'].filter((name) => spawnSync('which', [name]).status === 0);
const isRoot = process.getuid?.() === 0;
const host = readHostFacts();
const skip = !isRoot ? 'needs root' : BUSYBOX === undefined ? 'needs busybox-static' : false;

let directory = '';
let rootfs = '';
let count = 0;

before(async () => {
  if (skip) return;
  directory = mkdtempSync(join(tmpdir(), 'gantry-spec-'));
  rootfs = join(directory, 'rootfs');
  for (const name of ['bin', 'etc', 'proc', 'sys', 'dev', 'tmp', 'sbin'])
    mkdirSync(join(rootfs, name), { recursive: true });
  copyFileSync(BUSYBOX!, join(rootfs, 'bin/busybox'));
  chmodSync(join(rootfs, 'bin/busybox'), 0o755);
  for (const applet of [
    'sh',
    'cat',
    'id',
    'ls',
    'touch',
    'hostname',
    'mount',
    'mknod',
    'pwd',
    'grep',
    'readlink',
    'dd',
    'stat',
    'env',
    'ulimit',
    'sysctl',
    'df',
    'unshare',
  ]) {
    symlinkSync('busybox', join(rootfs, 'bin', applet));
  }
  writeFileSync(join(rootfs, 'etc/passwd'), 'root:x:0:0::/root:/bin/sh\napp:x:1000:100:App:/home/app:/bin/sh\n');
  writeFileSync(join(rootfs, 'etc/group'), 'root:x:0:\nusers:x:100:\naudio:x:29:app\nvideo:x:44:\n');
  if (host.apparmor) await ensureAppArmorProfile(DEFAULT_APPARMOR_PROFILE);
});

after(() => {
  removeEmptyCgroup(detectCgroups(), '/gantry-spec');
  if (directory !== '') rmSync(directory, { recursive: true, force: true });
});

interface RunOptions {
  config?: ContainerConfig;
  hostConfig?: HostConfig;
  input?: Partial<SpecInput>;
}

function run(
  runtime: string,
  script: string,
  options: RunOptions = {},
): { status: number | null; out: string; err: string } {
  count += 1;
  const id = `gantry-spec-${process.pid}-${count}`;
  const bundle = join(directory, id);
  mkdirSync(bundle);
  const config: ContainerConfig = { Hostname: 'spec-host', ...options.config };
  const hostConfig: HostConfig = {
    NetworkMode: 'none',
    CgroupnsMode: host.cgroup === 'v2' ? 'private' : 'host',
    IpcMode: 'private',
    ...options.hostConfig,
  };
  ensureWorkingDirectory(rootfs, config.WorkingDir ?? '');
  const spec = buildSpec({
    id,
    name: id,
    path: '/bin/sh',
    args: ['-c', script],
    config,
    hostConfig,
    rootfs,
    user: lookupUser(rootfs, config.User ?? '', hostConfig.GroupAdd ?? []),
    mounts: [],
    files: { hosts: null, hostname: null, resolvConf: null },
    netns: null,
    joined: {},
    shmPath: null,
    cgroupsPath: `/gantry-spec/${id}`,
    consoleSize: null,
    daemon: {
      seccompProfile: '',
      noNewPrivileges: false,
      defaultUlimits: [],
      init: false,
      initPath: '/usr/bin/docker-init',
      appArmorProfile: DEFAULT_APPARMOR_PROFILE,
    },
    host,
    ...options.input,
  });
  writeFileSync(join(bundle, 'config.json'), stringifySpec(spec));
  // On hybrid hosts the runtimes refuse the second cgroup hierarchy: they run without it, as the engine's monitor does it.
  const hide = 'mount --make-rprivate /sys/fs/cgroup && umount -l /sys/fs/cgroup/unified && exec "$@"';
  const [command, ...args] = [
    ...(host.cgroup === 'hybrid' ? ['unshare', '-m', '--propagation', 'unchanged', 'sh', '-c', hide, 'sh'] : []),
    runtime,
    'run',
    '--bundle',
    bundle,
    id,
  ];
  const result = spawnSync(command!, args, { encoding: 'utf8', timeout: 60_000, stdio: ['ignore', 'pipe', 'pipe'] });
  spawnSync(runtime, ['delete', '--force', id]);
  return { status: result.status, out: result.stdout.trim(), err: result.stderr.trim() };
}

function ok(runtime: string, script: string, options: RunOptions = {}): string {
  const { status, out, err } = run(runtime, script, options);
  assert.equal(status, 0, err);
  return out;
}

function mask(names: readonly string[]): string {
  const bits = names.reduce((sum, name) => sum | (1n << BigInt(CAPABILITIES.indexOf(name))), 0n);
  return bits.toString(16).padStart(16, '0');
}

const field = (status: string, name: string) => new RegExp(`^${name}:\\s*(\\S+)`, 'm').exec(status)?.[1];

for (const runtime of RUNTIMES) {
  describe(runtime, { skip }, () => {
    test('a plain container has the default capabilities and a seccomp filter', () => {
      const status = ok(runtime, 'cat /proc/self/status');
      assert.equal(
        field(status, 'CapEff'),
        mask(DEFAULT_CAPABILITIES.filter((name) => host.capabilities.includes(name))),
      );
      assert.equal(field(status, 'CapBnd'), field(status, 'CapEff'));
      assert.equal(field(status, 'CapInh'), mask([]));
      assert.equal(field(status, 'Seccomp'), '2');
      assert.equal(field(status, 'NoNewPrivs'), '0');
    });

    test('masked and read-only paths, /sys and cgroups read-only', () => {
      const out = ok(
        runtime,
        '(echo 1 > /proc/sys/vm/swappiness) 2>&1; cat /proc/kcore | dd bs=1 count=1 2>/dev/null | wc -c 2>/dev/null; ls /sys/firmware; touch /sys/x 2>&1; grep "cgroup" /proc/mounts; hostname; pwd',
      );
      assert.match(out, /swappiness: Read-only file system/);
      assert.match(out, /\/sys\/x: Read-only file system/);
      assert.match(out, /\/sys\/fs\/cgroup(\/memory)? cgroup2? ro,/);
      assert.match(out, /spec-host\n\/$/);
    });

    test('privileged: every capability of the daemon, no filter, devices, writable /sys', () => {
      const status = ok(
        runtime,
        'cat /proc/self/status; ls -l /dev/loop-control /dev/kmsg /dev/fuse /dev/net/tun 2>/dev/null; grep " /sys " /proc/mounts',
        {
          hostConfig: { Privileged: true },
        },
      );
      assert.equal(field(status, 'CapEff'), mask(host.capabilities));
      assert.equal(field(status, 'Seccomp'), '0');
      assert.match(status, /sysfs \/sys sysfs rw/);
      if (existsSync('/dev/kmsg')) assert.match(status, /\/dev\/kmsg/);
    });

    test('read-only root with a tmpfs', () => {
      const out = ok(
        runtime,
        'touch /x 2>&1; touch /scratch/y && ls /scratch; grep " /scratch " /proc/mounts; touch /dev/shm/z && echo shm',
        {
          hostConfig: { ReadonlyRootfs: true, Tmpfs: { '/scratch': 'size=1m,exec' } },
        },
      );
      assert.match(out, /\/x: Read-only file system/);
      assert.match(out, /^y$/m);
      assert.match(out, /tmpfs \/scratch tmpfs rw,nosuid,nodev(,\S+)?,size=1024k/);
      assert.match(out, /^shm$/m);
    });

    test('user, groups and a working directory that is made', () => {
      const out = ok(runtime, 'id; pwd; grep CapEff /proc/self/status; stat -c %u:%g .', {
        config: { User: 'app', WorkingDir: `/made/by/${runtime}` },
        hostConfig: { GroupAdd: ['video', '5000'] },
      });
      assert.match(out, /uid=1000\(app\) gid=100\(users\)/);
      for (const group of ['29(audio)', '44(video)', '5000']) assert.ok(out.includes(group), `${group} in ${out}`);
      assert.match(out, new RegExp(`^/made/by/${runtime}$`, 'm'));
      assert.match(out, /CapEff:\s+0000000000000000/);
      assert.match(out, /^0:0$/m);
    });

    test('capabilities added and dropped', () => {
      const status = ok(runtime, 'cat /proc/self/status', {
        hostConfig: { CapDrop: ['ALL'], CapAdd: ['net_admin', 'CAP_CHOWN'] },
      });
      assert.equal(field(status, 'CapEff'), mask(['CAP_NET_ADMIN', 'CAP_CHOWN']));
    });

    test('the filter lets through what Docker does and no more', () => {
      const out = ok(
        runtime,
        `unshare -m true 2>&1; mknod /tmp/null-${runtime} c 1 3 && echo made; mount -t tmpfs x /tmp 2>&1; true`,
      );
      assert.match(out, /Operation not permitted[\s\S]*made[\s\S]*(permission denied|Operation not permitted)/);
      const free = run(runtime, 'unshare -m echo unshared', { hostConfig: { CapAdd: ['SYS_ADMIN'] } });
      if (host.apparmor === false) assert.equal(free.out, 'unshared', free.err);
    });

    test('seccomp unconfined, and no-new-privileges', () => {
      const status = ok(runtime, 'cat /proc/self/status', {
        hostConfig: { SecurityOpt: ['seccomp=unconfined', 'no-new-privileges'] },
      });
      assert.equal(field(status, 'Seccomp'), '0');
      assert.equal(field(status, 'NoNewPrivs'), '1');
    });

    test('a custom seccomp profile', () => {
      const profile = JSON.stringify({
        defaultAction: 'SCMP_ACT_ALLOW',
        syscalls: [
          { name: 'mkdir', action: 'SCMP_ACT_ERRNO' },
          { names: ['mkdirat'], action: 'SCMP_ACT_ERRNO' },
        ],
      });
      symlinkOnce('mkdir');
      const out = ok(runtime, 'mkdir /tmp/denied 2>&1; true', { hostConfig: { SecurityOpt: [`seccomp=${profile}`] } });
      assert.match(out, /Operation not permitted/);
    });

    test('limits reach the cgroup', () => {
      const files =
        host.cgroup === 'v2'
          ? 'cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max /sys/fs/cgroup/cpu.max'
          : 'P=$(grep :memory: /proc/self/cgroup | cut -d: -f3); cat /sys/fs/cgroup/memory/memory.limit_in_bytes; cat /sys/fs/cgroup/pids/pids.max; cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us';
      symlinkOnce('cut');
      const out = ok(runtime, files, {
        hostConfig: { Memory: 33_554_432, MemorySwap: 67_108_864, PidsLimit: 50, NanoCpus: 500_000_000, CpuQuota: 0 },
      });
      assert.match(out, host.cgroup === 'v2' ? /^33554432\n50\n50000 100000$/ : /^33554432\n50\n50000$/);
    });

    test('ulimits: the soft one asked for, and unlimited', () => {
      const out = ok(runtime, 'ulimit -n; ulimit -c; ulimit -Hn', {
        hostConfig: {
          Ulimits: [
            { Name: 'nofile', Soft: 1000, Hard: 2000 },
            { Name: 'core', Soft: -1, Hard: -1 },
          ],
        },
      });
      assert.equal(out, '1000\nunlimited\n2000');
    });

    test('sysctls, domain name and shm size', () => {
      const out = ok(
        runtime,
        'cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/domainname /proc/sys/kernel/msgmax; df -k /dev/shm',
        {
          config: { Domainname: 'example.org' },
          hostConfig: { Sysctls: { 'kernel.msgmax': '16384' }, ShmSize: 8_388_608 },
        },
      );
      assert.match(out, /^0\nexample\.org\n16384\n/);
      assert.match(out, /\b8192\b/);
    });

    test('a device, by another name', { skip: existsSync('/dev/fuse') ? false : 'no /dev/fuse' }, () => {
      const out = ok(runtime, 'ls -l /dev/mine', {
        hostConfig: { Devices: [{ PathOnHost: '/dev/fuse', PathInContainer: '/dev/mine', CgroupPermissions: 'rw' }] },
      });
      assert.match(out, /10,\s*229/);
    });

    test('a bind that is read-only with all below it, and one that is not', () => {
      const source = join(directory, `bind-${runtime}`);
      mkdirSync(join(source, 'below'), { recursive: true });
      execFileSync('mount', ['-t', 'tmpfs', 'below', join(source, 'below')]);
      try {
        const bind = (destination: string, option: string) => ({
          destination,
          type: 'bind',
          source,
          options: ['rbind', option, 'rprivate'],
          propagation: 'rprivate',
        });
        const out = ok(
          runtime,
          'for f in /all/x /all/below/x /top/x /top/below/x; do touch $f 2>/dev/null && echo $f; done; true',
          {
            input: { mounts: [bind('/all', 'rro'), bind('/top', 'ro')] },
          },
        );
        assert.equal(out, '/top/below/x');
      } finally {
        execFileSync('umount', [join(source, 'below')]);
      }
    });

    test('environment and init', () => {
      const out = ok(runtime, 'env; cat /proc/1/cmdline', {
        config: { Env: ['A=1', 'PATH=/bin'] },
        hostConfig: { Init: true },
      });
      assert.match(out, /^A=1$/m);
      assert.match(out, /^PATH=\/bin$/m);
      assert.match(out, /^HOSTNAME=spec-host$/m);
      assert.match(out, /\/sbin\/docker-init\0--\0\/bin\/sh/);
    });

    test('host namespaces', () => {
      const out = ok(runtime, 'for n in pid ipc uts net; do readlink /proc/self/ns/$n; done', {
        hostConfig: { PidMode: 'host', IpcMode: 'host', UTSMode: 'host', NetworkMode: 'host' },
        input: { netns: 'host' },
      });
      const own = ['pid', 'ipc', 'uts', 'net'].map((name) =>
        execFileSync('readlink', [`/proc/self/ns/${name}`], { encoding: 'utf8' }),
      );
      assert.equal(out, own.join('').trim());
    });

    test('AppArmor profile', { skip: host.apparmor ? false : 'AppArmor is off' }, () => {
      assert.equal(ok(runtime, 'cat /proc/self/attr/current'), `${DEFAULT_APPARMOR_PROFILE} (enforce)`);
      const denied = ok(runtime, 'mount -t tmpfs x /tmp 2>&1; cat /proc/self/attr/current', {
        hostConfig: { CapAdd: ['SYS_ADMIN'] },
      });
      assert.match(denied, /[Pp]ermission denied/);
      const free = ok(runtime, 'mount -t tmpfs x /tmp && echo mounted', {
        hostConfig: { CapAdd: ['SYS_ADMIN'], SecurityOpt: ['apparmor=unconfined'] },
      });
      assert.equal(free, 'mounted');
    });
  });
}

function symlinkOnce(applet: string): void {
  const path = join(rootfs, 'bin', applet);
  if (!existsSync(path)) symlinkSync('busybox', path);
}
