import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { HostConfig } from '../../../api/schemas/host-config.ts';
import type { ImageConfig } from '../../../api/schemas/image.ts';
import { testHost } from '../../../runtime/spec/fixtures.ts';
import type { ContainerRecord } from '../../container-record.ts';
import type { ImageRecord } from '../../image-record.ts';
import type { EngineSettings } from '../../settings.ts';
import { type CreateBody, type CreateContext, prepareCreate } from './prepare-create.ts';
import { prepareUpdate } from './prepare-update.ts';

const settings = {
  runtimes: new Map([['crun', { name: 'crun', path: '/usr/bin/crun', args: [] }]]),
  defaultRuntime: 'crun',
  defaultShmSize: 67_108_864,
  defaultIpcMode: 'private',
  defaultCgroupnsMode: '',
  logDriver: 'json-file',
  logOpts: { 'max-size': '10m' },
  noNewPrivileges: false,
} as unknown as EngineSettings;

function prepare(body: CreateBody, options: { image?: ImageConfig; context?: Partial<CreateContext> } = {}) {
  const image = options.image === undefined ? null : ({ config: options.image } as ImageRecord);
  return prepareCreate(body, {
    settings,
    host: testHost(),
    image,
    hostCgroupns: false,
    id: '0123456789abcdef',
    network: () => null,
    resolveContainer: (reference) => (reference === 'other' ? ({ id: 'other-id' } as ContainerRecord) : null),
    checkLogConfig: () => {},
    ...options.context,
  });
}

describe('merging with the image', () => {
  const image: ImageConfig = {
    User: 'app',
    Env: ['PATH=/bin', 'A=image'],
    Cmd: ['serve'],
    Entrypoint: ['/entry'],
    WorkingDir: '/srv',
    Labels: { from: 'image', both: 'image' },
    ExposedPorts: { '80/tcp': {} },
    Healthcheck: { Test: ['CMD', 'check'], Interval: 5_000_000_000, Retries: 3 },
    StopSignal: 'SIGQUIT',
  };
  const commands: [CreateBody, string[]][] = [
    [{ Image: 'app' }, ['/entry', 'serve']],
    [{ Cmd: ['other'] }, ['/entry', 'other']],
    [{ Entrypoint: ['/mine'] }, ['/mine']],
    [{ Entrypoint: ['/mine'], Cmd: ['x'] }, ['/mine', 'x']],
    [{ Entrypoint: [''], Cmd: ['x'] }, ['x']],
    [{ Entrypoint: [], Cmd: ['x'] }, ['x']],
  ];
  for (const [body, expected] of commands) {
    test(`command of ${JSON.stringify(body)}`, () => {
      const { path, args } = prepare(body, { image });
      assert.deepEqual([path, ...args], expected);
    });
  }

  test('everything else', () => {
    const { config } = prepare(
      { Env: ['A=user', 'B=2'], Labels: { both: 'user' }, Healthcheck: { Retries: 9 }, ExposedPorts: { '53/udp': {} } },
      { image },
    );
    assert.deepEqual(config, {
      User: 'app',
      Env: ['A=user', 'B=2', 'PATH=/bin'],
      Cmd: ['serve'],
      Entrypoint: ['/entry'],
      WorkingDir: '/srv',
      Labels: { from: 'image', both: 'user' },
      ExposedPorts: { '80/tcp': {}, '53/udp': {} },
      Healthcheck: { Test: ['CMD', 'check'], Interval: 5_000_000_000, Retries: 9 },
      StopSignal: 'SIGQUIT',
      Hostname: '0123456789ab',
    });
  });
});

test('defaults of HostConfig, printed', () => {
  const { hostConfig, warnings } = prepare({ Cmd: ['true'] });
  const { MaskedPaths, ReadonlyPaths, ...rest } = hostConfig;
  assert.ok(MaskedPaths!.length > 10 && ReadonlyPaths!.length === 5);
  assert.deepEqual(warnings, []);
  assert.deepEqual(rest, {
    NetworkMode: 'bridge',
    ShmSize: 67_108_864,
    IpcMode: 'private',
    CgroupnsMode: 'private',
    Runtime: 'crun',
    RestartPolicy: { Name: 'no', MaximumRetryCount: 0 },
    LogConfig: { Type: 'json-file', Config: { 'max-size': '10m' } },
    ConsoleSize: [0, 0],
    PortBindings: {},
    Dns: [],
    DnsOptions: [],
    DnsSearch: [],
  });
});

test('older clients and older hosts have other defaults', () => {
  const modeOf = (context: Partial<CreateContext>) => prepare({ Cmd: ['true'] }, { context }).hostConfig.CgroupnsMode;
  const own = { ...settings, defaultCgroupnsMode: 'private' } as EngineSettings;
  const v1Host = testHost({ cgroup: 'v1' });
  assert.equal(modeOf({ settings: own, host: v1Host }), 'private');
  assert.equal(modeOf({ settings: own, host: v1Host, hostCgroupns: true }), 'host');
  assert.equal(modeOf({ hostCgroupns: true }), 'private');
  const v1 = prepare({ Cmd: ['true'] }, { context: { host: testHost({ cgroup: 'v1' }) } });
  assert.equal(v1.hostConfig.CgroupnsMode, 'host');
});

test('a request is not changed, names become IDs, swap is twice the memory', () => {
  const body: CreateBody = {
    Cmd: ['true'],
    HostConfig: { NetworkMode: 'container:other', PidMode: 'container:gone', Memory: 10 << 20 },
    NetworkingConfig: { EndpointsConfig: { 'container:other': {} } },
  };
  const copy = structuredClone(body);
  const { hostConfig, config } = prepare(body);
  assert.deepEqual(body, copy);
  assert.equal(hostConfig.NetworkMode, 'container:other-id');
  assert.equal(hostConfig.PidMode, 'container:gone');
  assert.equal(hostConfig.MemorySwap, 20 << 20);
  assert.equal(config.Hostname, '');
});

test('privileged: nothing masked, labels off', () => {
  const { hostConfig } = prepare({ Cmd: ['true'], HostConfig: { Privileged: true } });
  assert.equal(hostConfig.MaskedPaths, undefined);
  assert.deepEqual(hostConfig.SecurityOpt, ['label=disable']);
});

const REFUSED: [CreateBody, string][] = [
  [{ HostConfig: {} }, 'config cannot be empty in order to create a container'],
  [{ Image: '' }, 'no command specified'],
  [{ WorkingDir: 'rel' }, "the working directory 'rel' is invalid, it needs to be an absolute path"],
  [{ StopSignal: 'SIGNOPE' }, 'invalid signal: SIGNOPE'],
  [{ Env: ['=x'] }, 'invalid environment variable: =x'],
  [{ Healthcheck: { Interval: 1 } }, 'Interval in Healthcheck cannot be less than 1ms'],
  [{ Healthcheck: { Retries: -1 } }, 'Retries in Healthcheck cannot be negative'],
  [{ ExposedPorts: { 'x/tcp': {} } }, 'invalid port specification: "x/tcp"'],
  ...(
    [
      [{ Memory: 1000 }, 'Minimum memory limit allowed is 6MB'],
      [
        { Memory: 20 << 20, MemorySwap: 10 << 20 },
        'Minimum memoryswap limit should be larger than memory limit, see usage',
      ],
      [{ MemorySwap: 10 << 20 }, 'You should always set the Memory limit when using Memoryswap limit, see usage'],
      [{ NanoCpus: 5e9 }, 'range of CPUs is from 0.01 to 4.00, as there are only 4 CPUs available'],
      [{ NanoCpus: 1e9, CpuQuota: 5000 }, 'Conflicting options: Nano CPUs and CPU Quota cannot both be set'],
      [{ CpusetCpus: '3-4' }, 'Requested CPUs are not available - requested 3-4, available: 0-3'],
      [{ CpusetCpus: '1-' }, 'Invalid value 1- for cpuset cpus'],
      [{ BlkioWeight: 5 }, 'Range of blkio weight is from 10 to 1000'],
      [{ ShmSize: -1 }, 'SHM size can not be less than 0'],
      [{ OomScoreAdj: 2000 }, 'Invalid value 2000, range for oom score adj is [-1000, 1000]'],
      [{ IpcMode: 'odd' }, 'invalid IPC mode: odd'],
      [{ PidMode: 'container:' }, 'invalid PID mode: container:'],
      [
        { AutoRemove: true, RestartPolicy: { Name: 'always' } },
        "can't create 'AutoRemove' container with restart policy",
      ],
      [
        { RestartPolicy: { Name: 'always', MaximumRetryCount: -2 } },
        "invalid restart policy: maximum retry count can only be used with 'on-failure' and cannot be negative",
      ],
      [{ CapAdd: ['nope'] }, 'unknown capability: "CAP_NOPE"'],
      [{ SecurityOpt: ['odd=1'] }, 'invalid --security-opt 2: "odd=1"'],
      [{ Runtime: 'kata' }, 'unknown or invalid runtime name: kata'],
      [{ Isolation: 'hyperv' }, "invalid isolation 'hyperv' on linux"],
      [{ ExtraHosts: ['a:b'] }, 'invalid IP address in add-host: "b"'],
      [{ Ulimits: [{ Name: 'odd', Soft: 1, Hard: 1 }] }, 'invalid ulimit type: odd'],
      [
        { NetworkMode: 'host', Sysctls: { 'net.ipv4.x': '1' } },
        "sysctl 'net.ipv4.x' not allowed in host network namespace",
      ],
      [{ NetworkMode: 'container:other', Dns: ['1.1.1.1'] }, 'conflicting options: dns and the network mode'],
      [{ Binds: ['/a:/x', '/b:/x/'] }, 'Duplicate mount point: /x'],
      [{ Binds: ['/a:b:c:d'] }, "invalid volume specification: '/a:b:c:d'"],
      [{ Binds: ['/a:/b:odd'] }, 'invalid mode: odd'],
      [
        { Mounts: [{ Type: 'bind', Source: '/does/not/exist', Target: '/x' }] },
        'invalid mount config for type "bind": bind source path does not exist: /does/not/exist',
      ],
      [{ Mounts: [{ Type: 'volume' }] }, 'invalid mount config for type "volume": field Target must not be empty'],
      [{ Tmpfs: { '/': '' } }, "invalid specification: destination can't be '/'"],
    ] as [HostConfig, string][]
  ).map(([HostConfig, message]): [CreateBody, string] => [{ Cmd: ['true'], HostConfig }, message]),
  [
    { Cmd: ['true'], Hostname: 'h', HostConfig: { NetworkMode: 'container:other' } },
    'conflicting options: hostname and the network mode',
  ],
  [
    { Cmd: ['true'], NetworkingConfig: { EndpointsConfig: { default: { IPAMConfig: { IPv4Address: '10.0.0.5' } } } } },
    'invalid config for network default: invalid endpoint settings:\nuser specified IP address is supported on user defined networks only',
  ],
];

describe('refused with status 400', () => {
  for (const [body, message] of REFUSED) {
    test(message, () => assert.throws(() => prepare(body), { code: 'invalid_parameter', message }));
  }
});

describe('not supported yet, never ignored', () => {
  const cases: HostConfig[] = [{ DeviceRequests: [{ Count: -1 }] }, { StorageOpt: { size: '1G' } }];
  for (const HostConfig of cases) {
    test(JSON.stringify(HostConfig), () => {
      assert.throws(() => prepare({ Cmd: ['true'], HostConfig }), { code: 'not_supported' });
    });
  }
});

test('what the kernel lacks is dropped with a warning', () => {
  const host = testHost();
  host.features.swap = false;
  host.features.blkioWeight = false;
  const { hostConfig, warnings } = prepare(
    { Cmd: ['true'], HostConfig: { Memory: 10 << 20, BlkioWeight: 500, MemorySwappiness: 5, OomKillDisable: true } },
    { context: { host } },
  );
  assert.deepEqual(warnings, [
    'Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without swap.',
    'Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. Memory swappiness discarded.',
    'Your kernel does not support OomKillDisable. OomKillDisable discarded.',
    'Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded.',
  ]);
  assert.deepEqual([hostConfig.MemorySwap, hostConfig.BlkioWeight], [-1, 0]);
});

describe('update', () => {
  const record = (hostConfig: HostConfig) => ({ hostConfig }) as ContainerRecord;
  test('only what is given changes', () => {
    const { hostConfig, changed } = prepareUpdate(
      record({ Memory: 10 << 20, MemorySwap: 40 << 20, CpuShares: 5 }),
      { Memory: 20 << 20, CpuShares: 0, PidsLimit: 0, RestartPolicy: { Name: 'always' } },
      testHost(),
    );
    assert.deepEqual(changed, { Memory: 20 << 20, MemorySwap: 40 << 20, PidsLimit: 0 });
    assert.deepEqual(hostConfig, {
      Memory: 20 << 20,
      MemorySwap: 40 << 20,
      CpuShares: 5,
      PidsLimit: 0,
      RestartPolicy: { Name: 'always', MaximumRetryCount: 0 },
    });
  });
  test('conflicts with what is set', () => {
    const conflicts: [HostConfig, HostConfig, string][] = [
      [
        { Memory: 10 << 20, MemorySwap: 20 << 20 },
        { Memory: 30 << 20 },
        'Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time',
      ],
      [
        { CpuQuota: 5000 },
        { NanoCpus: 1e9 },
        'Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set',
      ],
      [
        { AutoRemove: true },
        { RestartPolicy: { Name: 'always' } },
        'Restart policy cannot be updated because AutoRemove is enabled for the container',
      ],
    ];
    for (const [current, wanted, message] of conflicts) {
      assert.throws(() => prepareUpdate(record(current), wanted, testHost()), { code: 'conflict', message });
    }
  });
});
