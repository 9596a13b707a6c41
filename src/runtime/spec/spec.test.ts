import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { HostConfig } from '../../api/schemas/host-config.ts';
import { CAPABILITIES, containerCapabilities, DEFAULT_CAPABILITIES } from './capabilities.ts';
import { containerEnv } from './env.ts';
import { testHost, testInput } from './fixtures.ts';
import { tmpfsOptions } from './mounts.ts';
import { buildProcess } from './process.ts';
import { buildRlimits } from './rlimits.ts';
import { buildSpec, stringifySpec } from './spec.ts';

const spec = (hostConfig: HostConfig, rest: Parameters<typeof testInput>[0] = {}) => {
  const base = testInput(rest);
  return buildSpec({ ...base, hostConfig: { ...base.hostConfig, ...hostConfig } });
};

test('a least container, printed', () => {
  const { seccomp, maskedPaths, ...linux } = spec({}).linux;
  const { linux: _, ...rest } = spec({});
  assert.ok(seccomp!.syscalls.length > 30);
  assert.ok(maskedPaths.includes('/proc/kcore'));
  assert.deepEqual(rest, {
    ociVersion: '1.0.2',
    process: {
      terminal: false,
      user: { uid: 0, gid: 0, additionalGids: [0] },
      args: ['sleep', '1'],
      env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'HOSTNAME=c0ffee'],
      cwd: '/',
      capabilities: {
        bounding: [...DEFAULT_CAPABILITIES],
        effective: [...DEFAULT_CAPABILITIES],
        permitted: [...DEFAULT_CAPABILITIES],
      },
      rlimits: [],
      noNewPrivileges: false,
      apparmorProfile: 'gantry-default',
      oomScoreAdj: 0,
    },
    root: { path: '/rootfs', readonly: false },
    hostname: 'c0ffee',
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] },
      {
        destination: '/dev',
        type: 'tmpfs',
        source: 'tmpfs',
        options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
      },
      {
        destination: '/dev/pts',
        type: 'devpts',
        source: 'devpts',
        options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
      },
      { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', 'ro'] },
      {
        destination: '/sys/fs/cgroup',
        type: 'cgroup',
        source: 'cgroup',
        options: ['ro', 'nosuid', 'noexec', 'nodev'],
      },
      { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: ['nosuid', 'noexec', 'nodev'] },
      {
        destination: '/dev/shm',
        type: 'tmpfs',
        source: 'shm',
        options: ['nosuid', 'noexec', 'nodev', 'mode=1777', 'size=67108864'],
      },
      { destination: '/etc/resolv.conf', type: 'bind', source: '/c/resolv.conf', options: ['rbind', 'rprivate'] },
      { destination: '/etc/hostname', type: 'bind', source: '/c/hostname', options: ['rbind', 'rprivate'] },
      { destination: '/etc/hosts', type: 'bind', source: '/c/hosts', options: ['rbind', 'rprivate'] },
    ],
  });
  assert.deepEqual(linux, {
    namespaces: [
      { type: 'mount' },
      { type: 'network', path: '/run/netns/x' },
      { type: 'uts' },
      { type: 'pid' },
      { type: 'ipc' },
      { type: 'cgroup' },
    ],
    cgroupsPath: '/gantry/c0ffee',
    resources: {
      devices: [
        { allow: false, access: 'rwm' },
        { allow: true, type: 'c', major: 1, minor: 5, access: 'rwm' },
        { allow: true, type: 'c', major: 1, minor: 3, access: 'rwm' },
        { allow: true, type: 'c', major: 1, minor: 9, access: 'rwm' },
        { allow: true, type: 'c', major: 1, minor: 8, access: 'rwm' },
        { allow: true, type: 'c', major: 5, minor: 0, access: 'rwm' },
        { allow: true, type: 'c', major: 5, minor: 1, access: 'rwm' },
        { allow: false, type: 'c', major: 10, minor: 229, access: 'rwm' },
      ],
    },
    devices: [],
    sysctl: { 'net.ipv4.ping_group_range': '0 2147483647', 'net.ipv4.ip_unprivileged_port_start': '0' },
    readonlyPaths: ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'],
  });
});

test('privileged takes the confinement away', () => {
  const privileged = spec({ Privileged: true });
  assert.deepEqual(privileged.process.capabilities.effective, CAPABILITIES);
  assert.equal(privileged.process.apparmorProfile, 'unconfined');
  assert.equal(privileged.linux.seccomp, undefined);
  assert.deepEqual(privileged.linux.maskedPaths, []);
  assert.deepEqual(privileged.linux.resources.devices, [{ allow: true, access: 'rwm' }]);
  assert.deepEqual(
    privileged.linux.devices.map((device) => device.path),
    ['/dev'],
  );
  for (const destination of ['/sys', '/sys/fs/cgroup']) {
    const mount = privileged.mounts.find((each) => each.destination === destination);
    assert.ok(!mount!.options.includes('ro'), destination);
  }
});

test('limits: absent ones are left out, CPUs become a quota, -1 is no quota', () => {
  const { devices: _, ...resources } = spec({
    Memory: 64 << 20,
    MemorySwap: -1,
    NanoCpus: 1_500_000_000,
    PidsLimit: 0,
    CpusetCpus: '0-1',
    BlkioDeviceReadBps: [{ Path: '/dev/sda', Rate: 1000 }],
  }).linux.resources;
  assert.deepEqual(resources, {
    memory: { limit: 64 << 20 },
    cpu: { period: 100_000, quota: 150_000, cpus: '0-1' },
    blockIO: { throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 1000 }] },
  });
  assert.equal(spec({ CpuQuota: -1, CpuPeriod: 50_000 }).linux.resources.cpu!.quota, undefined);
});

test('namespaces of the host and of others', () => {
  const joined = spec(
    { PidMode: 'container:abc', IpcMode: 'container:def', UTSMode: 'host', NetworkMode: 'host', CgroupnsMode: 'host' },
    { joined: { pid: 7, ipc: 9 }, netns: 'host', shmPath: '/run/shm-of-def' },
  );
  assert.deepEqual(joined.linux.namespaces, [
    { type: 'mount' },
    { type: 'pid', path: '/proc/7/ns/pid' },
    { type: 'ipc', path: '/proc/9/ns/ipc' },
  ]);
  assert.equal(joined.hostname, undefined);
  assert.deepEqual(joined.linux.sysctl, {});
  assert.equal(joined.mounts.find((mount) => mount.destination === '/dev/shm')!.source, '/run/shm-of-def');
  assert.throws(() => spec({ PidMode: 'container:abc' }), /is not running/);
});

test('init stands before the command in a pid namespace of its own only', () => {
  assert.deepEqual(spec({ Init: true }).process.args, ['/sbin/docker-init', '--', 'sleep', '1']);
  assert.deepEqual(spec({ Init: true }).mounts.at(-1), {
    destination: '/sbin/docker-init',
    type: 'bind',
    source: '/usr/bin/tini',
    options: ['bind', 'ro'],
  });
  assert.deepEqual(spec({ Init: true, PidMode: 'host' }).process.args, ['sleep', '1']);
});

test("the user's mounts replace the default ones, parents come first", () => {
  const mounts = [
    { destination: '/data/deep/er', type: 'bind', source: '/b', options: ['rbind'], propagation: 'rslave' },
    { destination: '/dev', type: 'bind', source: '/dev', options: ['rbind'] },
    { destination: '/data', type: 'bind', source: '/a', options: ['rbind'] },
  ];
  const built = spec({ ReadonlyRootfs: true, IpcMode: 'none' }, { mounts });
  const order = built.mounts.map((mount) => mount.destination);
  assert.ok(!order.includes('/dev/pts') && !order.includes('/dev/shm'), order.join(' '));
  assert.ok(order.indexOf('/data') < order.indexOf('/data/deep/er'));
  assert.equal(built.linux.rootfsPropagation, 'rslave');
  assert.ok(built.mounts.find((mount) => mount.destination === '/etc/hosts')!.options.includes('ro'));
});

test('nothing is mounted into /proc but what file systems such as lxcfs cover', () => {
  const bind = (destination: string, source = '/a') => ({ destination, type: 'bind', source, options: ['rbind'] });
  for (const destination of ['/proc', '/proc/sys', '/proc/self/attr/exec', '/proc/sys/kernel/shmmax']) {
    assert.throws(() => spec({}, { mounts: [bind(destination)] }), {
      message: `"${destination}" cannot be mounted because it is inside /proc`,
    });
    assert.throws(() => spec({ Tmpfs: { [destination]: '' } }), { message: /inside \/proc/ });
  }
  for (const mount of [bind('/proc/meminfo'), bind('/proc/net/dev'), bind('/process'), bind('/proc', '/proc')]) {
    assert.ok(
      spec({}, { mounts: [mount] }).mounts.some(({ source }) => source === mount.source),
      mount.destination,
    );
  }
});

test('errors of a spec are failures of starting', () => {
  assert.throws(() => spec({ CapAdd: ['NOPE'] }), { code: 'system', message: 'unknown capability: "CAP_NOPE"' });
  assert.throws(() => spec({ SecurityOpt: ['seccomp={'] }), { code: 'system', message: /Decoding seccomp profile/ });
});

describe('capabilities', () => {
  const available = ['CAP_CHOWN', 'CAP_KILL', 'CAP_NET_ADMIN'];
  const caps = (add: string[], drop: string[]) => containerCapabilities({ privileged: false, add, drop }, available);
  test('only what the daemon has', () => assert.deepEqual(caps([], []), ['CAP_CHOWN', 'CAP_KILL']));
  test('ALL', () => {
    assert.deepEqual(caps(['ALL'], ['kill']), ['CAP_CHOWN', 'CAP_NET_ADMIN']);
    assert.deepEqual(caps(['net_admin'], ['all']), ['CAP_NET_ADMIN']);
  });
  test('one that the daemon lacks', () => {
    assert.throws(() => caps(['SYS_ADMIN'], []), {
      code: 'invalid_parameter',
      message: 'capability not supported by your kernel or not available in the current environment: "CAP_SYS_ADMIN"',
    });
  });
});

describe('ulimits', () => {
  const weak = testHost({ capabilities: ['CAP_CHOWN'] });
  test('the host bounds them without CAP_SYS_RESOURCE', () => {
    const limits = buildRlimits([{ Name: 'nofile', Soft: 50_000, Hard: 60_000 }], [], weak);
    assert.deepEqual(limits, [{ type: 'RLIMIT_NOFILE', soft: 20_000, hard: 20_000 }]);
  });
  test('own before default, unlimited as 2^64-1', () => {
    const limits = buildRlimits(
      [{ Name: 'core', Soft: -1, Hard: -1 }],
      [
        { Name: 'core', Soft: 0, Hard: 0 },
        { Name: 'nproc', Soft: 5, Hard: 6 },
      ],
      testHost(),
    );
    assert.deepEqual(
      limits.map((limit) => limit.type),
      ['RLIMIT_CORE', 'RLIMIT_NPROC'],
    );
    const process = { ...buildSpec(testInput()).process, rlimits: limits, env: ['X="soft":18446744073709552000'] };
    const text = stringifySpec(process);
    assert.match(text, /"soft":18446744073709551615,"hard":18446744073709551615/);
    assert.match(text, /X=\\"soft\\":18446744073709552000/);
  });
});

test('environment: the container beats the defaults, a bare name removes', () => {
  assert.deepEqual(containerEnv({ hostname: 'h', tty: true, env: ['PATH=/bin', 'A=1', 'A=2', 'HOSTNAME'] }), [
    'PATH=/bin',
    'TERM=xterm',
    'A=2',
  ]);
  // The runtime looks the home directory up then.
  assert.ok(!containerEnv({ hostname: 'h', tty: false, env: ['HOME='] }).some((entry) => entry.startsWith('HOME')));
});

test('tmpfs options: a later one beats an earlier one of its kind', () => {
  assert.deepEqual(tmpfsOptions('exec,size=1m,mode=700,size=2m'), [
    'nosuid',
    'nodev',
    'rprivate',
    'exec',
    'mode=700',
    'size=2m',
  ]);
  assert.ok(tmpfsOptions('shared').includes('shared') && !tmpfsOptions('shared').includes('rprivate'));
  assert.throws(() => tmpfsOptions('nonsense'), { message: 'invalid tmpfs option "nonsense"' });
});

test('exec keeps the confinement, privileged or not', () => {
  const container = buildSpec(testInput({ consoleSize: { rows: 1, columns: 2 } })).process;
  const exec = buildProcess({
    container,
    containerEnv: ['A=1'],
    hostname: 'h',
    args: ['id'],
    env: ['A=2', 'B=3'],
    workingDir: '',
    tty: true,
    privileged: true,
    user: { uid: 5, gid: 6, additionalGids: [6] },
    consoleSize: { rows: 24, columns: 80 },
    available: ['CAP_CHOWN'],
  });
  assert.deepEqual(exec.capabilities.effective, ['CAP_CHOWN']);
  assert.equal(exec.apparmorProfile, 'gantry-default');
  assert.deepEqual(exec.consoleSize, { height: 24, width: 80 });
  assert.deepEqual(exec.env.slice(1), ['HOSTNAME=h', 'TERM=xterm', 'A=2', 'B=3']);
  assert.equal(exec.cwd, '/');
});
