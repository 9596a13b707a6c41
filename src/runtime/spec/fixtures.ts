/** A fixed host and a least container, for tests of what is made from them. */
import { CAPABILITIES } from './capabilities.ts';
import type { HostFacts } from './host-facts.ts';
import type { SpecInput } from './input.ts';

export function testHost(overrides: Partial<HostFacts> = {}): HostFacts {
  return {
    cgroup: 'v2',
    features: {
      memory: true,
      swap: true,
      reservation: true,
      swappiness: false,
      oomKillDisable: false,
      pids: true,
      cpuShares: true,
      cpuCfs: true,
      cpuRealtime: false,
      cpuset: true,
      blkioWeight: true,
      blkioWeightDevice: true,
      blkioThrottle: true,
      cgroupNamespaces: true,
    },
    kernel: [6, 1],
    arch: 'amd64',
    capabilities: [...CAPABILITIES],
    rlimits: { nofile: { soft: 1024, hard: 20_000 } },
    nrOpen: 1_048_576,
    apparmor: true,
    seccomp: true,
    sysctls: { pingGroupRange: true, unprivilegedPortStart: true },
    ipv4Forwarding: true,
    cpus: '0-3',
    mems: '0',
    cpuCount: 4,
    thermalThrottlePaths: [],
    devices: {
      at: (path) => ({ type: 'b', path, major: 8, minor: 0, fileMode: 0o660, uid: 0, gid: 6 }),
      below: (path) => [{ type: 'c', path, major: 10, minor: 229, fileMode: 0o666, uid: 0, gid: 0 }],
    },
    ...overrides,
  };
}

export function testInput(overrides: Partial<SpecInput> = {}): SpecInput {
  return {
    id: 'c0ffee',
    name: 'test',
    path: 'sleep',
    args: ['1'],
    config: { Hostname: 'c0ffee' },
    hostConfig: { NetworkMode: 'bridge', IpcMode: 'private', CgroupnsMode: 'private', ShmSize: 67_108_864 },
    rootfs: '/rootfs',
    user: { uid: 0, gid: 0, additionalGids: [0] },
    mounts: [],
    files: { hosts: '/c/hosts', hostname: '/c/hostname', resolvConf: '/c/resolv.conf' },
    netns: '/run/netns/x',
    joined: {},
    shmPath: null,
    cgroupsPath: '/gantry/c0ffee',
    consoleSize: null,
    daemon: {
      seccompProfile: '',
      noNewPrivileges: false,
      defaultUlimits: [],
      init: false,
      initPath: '/usr/bin/tini',
      appArmorProfile: 'gantry-default',
    },
    host: testHost(),
    ...overrides,
  };
}
