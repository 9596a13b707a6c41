import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ContainerSummary } from '../../api/schemas/container.ts';
import type { ImageInspect, ImageSummary } from '../../api/schemas/image.ts';
import type { Mount } from '../../api/schemas/mount.ts';
import type { SystemInfo } from '../../api/schemas/system.ts';
import { requestedVersion } from '../http/version.ts';
import { legacyContainer } from './containers.ts';
import { adaptCreate } from './create.ts';
import { legacyImage, legacySummary } from './images.ts';
import { legacyInfo } from './info.ts';

const of = requestedVersion;
type Body = Parameters<typeof adaptCreate>[0];

/** The body as a version means it, without the members that adaptCreate() always makes. */
function adapted(version: string, body: Body): Body {
  const copy = structuredClone(body);
  adaptCreate(copy, of(version));
  return copy;
}

describe('a create request', () => {
  const host = (hostConfig: Body['HostConfig']): Body => ({ HostConfig: hostConfig! });
  const mounts = (...list: Mount[]): Body => host({ Mounts: list });
  const endpoint = (settings: object): Body => ({ NetworkingConfig: { EndpointsConfig: { bridge: settings } } });

  /** What `given` means in the version before a change, and from it on. */
  const table: [what: string, change: [before: string, since: string], given: Body, meant: [Body, Body]][] = [
    [
      'AutoRemove',
      ['1.24', '1.25'],
      host({ AutoRemove: true, IpcMode: 'x' }),
      [host({ AutoRemove: false, IpcMode: 'x' }), host({ AutoRemove: true, IpcMode: 'x' })],
    ],
    ['IpcMode', ['1.39', '1.40'], host({}), [host({ IpcMode: 'shareable' }), host({})]],
    [
      'IpcMode that is given',
      ['1.39', '1.40'],
      host({ IpcMode: 'private' }),
      [host({ IpcMode: 'private' }), host({ IpcMode: 'private' })],
    ],
    [
      'KernelMemoryTCP',
      ['1.39', '1.40'],
      host({ KernelMemoryTCP: 5, IpcMode: 'x' }),
      [host({ IpcMode: 'x' }), host({ KernelMemoryTCP: 5, IpcMode: 'x' })],
    ],
    [
      'NonRecursive',
      ['1.39', '1.40'],
      { HostConfig: { IpcMode: 'x', Mounts: [{ Type: 'bind', BindOptions: { NonRecursive: true } }] } },
      [
        { HostConfig: { IpcMode: 'x', Mounts: [{ Type: 'bind', BindOptions: {} }] } },
        { HostConfig: { IpcMode: 'x', Mounts: [{ Type: 'bind', BindOptions: { NonRecursive: true } }] } },
      ],
    ],
    [
      'CreateMountpoint',
      ['1.41', '1.42'],
      mounts({ Type: 'bind', BindOptions: { CreateMountpoint: true } }),
      [mounts({ Type: 'bind', BindOptions: {} }), mounts({ Type: 'bind', BindOptions: { CreateMountpoint: true } })],
    ],
    ['ConsoleSize', ['1.41', '1.42'], host({ ConsoleSize: [10, 20] }), [host({}), host({ ConsoleSize: [10, 20] })]],
    ['Annotations', ['1.42', '1.43'], host({ Annotations: { a: 'b' } }), [host({}), host({ Annotations: { a: 'b' } })]],
    [
      'StartInterval',
      ['1.43', '1.44'],
      { Healthcheck: { Interval: 1, StartInterval: 2 }, HostConfig: {} },
      [
        { Healthcheck: { Interval: 1 }, HostConfig: {} },
        { Healthcheck: { Interval: 1, StartInterval: 2 }, HostConfig: {} },
      ],
    ],
    [
      "an endpoint's MacAddress",
      ['1.43', '1.44'],
      { ...endpoint({ MacAddress: 'x' }), HostConfig: {} },
      [
        { ...endpoint({}), HostConfig: {} },
        { ...endpoint({ MacAddress: 'x' }), HostConfig: {} },
      ],
    ],
    [
      'GwPriority',
      ['1.47', '1.48'],
      { ...endpoint({ GwPriority: 5 }), HostConfig: {} },
      [
        { ...endpoint({}), HostConfig: {} },
        { ...endpoint({ GwPriority: 5 }), HostConfig: {} },
      ],
    ],
    [
      'a limit of processes that is none',
      ['1.24', '1.50'],
      host({ PidsLimit: -1, IpcMode: 'x', AutoRemove: false }),
      [host({ IpcMode: 'x', AutoRemove: false }), host({ IpcMode: 'x', AutoRemove: false })],
    ],
  ];
  for (const [what, [before, since], given, meant] of table) {
    test(`${what}: ${before} and ${since}`, () => {
      assert.deepEqual(adapted(before, given), meant[0], before);
      assert.deepEqual(adapted(since, given), meant[1], since);
    });
  }

  /** Refused with this message from `first` to `last`, and not in the version beside. */
  const refusals: [message: string, given: Body, first: string, last: string, beside: string][] = [
    [
      'VolumeOptions must not be specified on mount type "bind"',
      mounts({ Type: 'bind', VolumeOptions: {} }),
      '1.42',
      '1.50',
      '1.41',
    ],
    [
      'TmpfsOptions must not be specified on mount type "volume"',
      mounts({ Type: 'volume', TmpfsOptions: {} }),
      '1.42',
      '1.50',
      '1.41',
    ],
    [
      'BindOptions must not be specified on mount type "volume"',
      mounts({ Type: 'volume', BindOptions: {} }),
      '1.42',
      '1.50',
      '1.41',
    ],
    [
      'BindOptions.ReadOnlyForceRecursive needs API v1.44 or newer',
      mounts({ Type: 'bind', BindOptions: { ReadOnlyForceRecursive: true } }),
      '1.24',
      '1.43',
      '1.44',
    ],
    [
      'VolumeOptions.Subpath needs API v1.45 or newer',
      mounts({ Type: 'volume', VolumeOptions: { Subpath: 'a' } }),
      '1.24',
      '1.44',
      '1.45',
    ],
    ['Mount type "Image" needs API v1.48 or newer', mounts({ Type: 'image' }), '1.24', '1.47', '1.48'],
    [
      'Container cannot be created with multiple network endpoints: a, b',
      { NetworkingConfig: { EndpointsConfig: { a: {}, b: {} } } },
      '1.24',
      '1.43',
      '1.44',
    ],
    [
      'interface specific sysctl setting "net.ipv4.conf.eth0.forwarding" must be supplied using driver option \'com.docker.network.endpoint.sysctls\'',
      host({ Sysctls: { 'net.ipv4.conf.eth0.forwarding': '1' } }),
      '1.48',
      '1.50',
      '1.47',
    ],
    [
      "unable to determine network endpoint for sysctl net.ipv4.conf.eth1.forwarding, use driver option 'com.docker.network.endpoint.sysctls' to set per-interface sysctls",
      host({ Sysctls: { 'net.ipv4.conf.eth1.forwarding': '1' } }),
      '1.24',
      '1.47',
      '1.50',
    ],
  ];
  for (const [message, given, first, last, beside] of refusals) {
    test(`${message}: from ${first} to ${last}`, () => {
      for (const version of [first, last]) {
        assert.throws(() => adapted(version, given), { code: 'invalid_parameter', message }, version);
      }
      try {
        adapted(beside, given);
      } catch (error) {
        assert.notEqual((error as Error).message, message);
      }
    });
  }

  test('warns of a container-wide MAC address from 1.44 on, and of a driver that is passed over from 1.48 on', () => {
    const mac = (version: string) => adaptCreate({ MacAddress: '02:00:00:00:00:01' }, of(version));
    assert.deepEqual(mac('1.43'), []);
    assert.match(mac('1.44')[0]!, /container-wide MacAddress field is now deprecated/);
    const body: Body = { HostConfig: { VolumeDriver: 'local', Mounts: [{ Type: 'volume', Target: '/x' }] } };
    assert.deepEqual(adaptCreate(structuredClone(body), of('1.47')), []);
    assert.match(adaptCreate(structuredClone(body), of('1.48'))[0]!, /volume-driver configuration is ignored/);
  });
});

describe('answers', () => {
  /** The members that a version shows more or less than the one before a change. */
  const show = (value: object, ...names: string[]) =>
    Object.fromEntries(names.filter((name) => name in value).map((name) => [name, (value as never)[name]]));

  test('ContainerList: annotations since 1.46', () => {
    const summary: ContainerSummary = { Id: 'x', HostConfig: { NetworkMode: 'bridge', Annotations: { a: 'b' } } };
    assert.deepEqual(legacyContainer(summary, of('1.45')), { Id: 'x', HostConfig: { NetworkMode: 'bridge' } });
    assert.deepEqual(legacyContainer(summary, of('1.46')), summary);
  });

  test('ImageList: VirtualSize up to 1.43, names of unnamed images up to 1.42', () => {
    const unnamed = { Id: 'x', RepoTags: [], RepoDigests: [], Size: 5 } as unknown as ImageSummary;
    const shown = (version: string) =>
      show(legacySummary(unnamed, of(version)), 'VirtualSize', 'RepoTags', 'RepoDigests');
    const none = { RepoTags: ['<none>:<none>'], RepoDigests: ['<none>@<none>'] };
    assert.deepEqual(shown('1.42'), { VirtualSize: 5, ...none });
    assert.deepEqual(shown('1.43'), { VirtualSize: 5, RepoTags: [], RepoDigests: [] });
    assert.deepEqual(shown('1.44'), { RepoTags: [], RepoDigests: [] });
  });

  test('ImageInspect: VirtualSize and a Created for none up to 1.43, its container up to 1.44, a whole Config up to 1.49', () => {
    const image = { Id: 'x', Size: 5, Config: { Cmd: ['a'] } } as unknown as ImageInspect;
    const shown = (version: string) => legacyImage(image, of(version)) as Record<string, never>;
    assert.deepEqual(show(shown('1.43'), 'VirtualSize', 'Created', 'Container'), {
      VirtualSize: 5,
      Created: '0001-01-01T00:00:00Z',
      Container: '',
    });
    assert.deepEqual(show(shown('1.44'), 'VirtualSize', 'Created', 'Container'), { Container: '' });
    assert.deepEqual(show(shown('1.45'), 'VirtualSize', 'Created', 'Container', 'ContainerConfig'), {});
    const compose = legacyImage(image, of('1.50'), 'docker-compose/1.29.2 Linux/6.1') as Record<string, never>;
    assert.deepEqual(show(compose, 'Container', 'Config'), { Container: '', Config: { Cmd: ['a'] } });
    assert.ok('ContainerConfig' in compose);
    assert.deepEqual(legacyImage(image, of('1.50'), 'docker-compose/2.0'), image);
    assert.deepEqual(show(shown('1.49').Config!, 'Cmd', 'Env', 'Tty'), { Cmd: ['a'], Env: null, Tty: false });
    assert.deepEqual(shown('1.50').Config, { Cmd: ['a'] });
  });

  test('SystemInfo', () => {
    const info: SystemInfo = {
      KernelVersion: '',
      OperatingSystem: '',
      SecurityOptions: ['name=seccomp,profile=builtin', 'name=cgroupns'],
      BridgeNfIptables: true,
      FirewallBackend: { Driver: 'nftables' },
      RuncCommit: { ID: 'abc' },
      RegistryConfig: { Mirrors: [] },
      Runtimes: { crun: { path: 'crun', status: { a: 'b' } } },
      Containerd: { Address: 'x' },
    };
    const table: [version: string, shown: object][] = [
      [
        '1.24',
        { ExecutionDriver: '<not supported>', SecurityOptions: ['seccomp', 'cgroupns'], KernelVersion: '<unknown>' },
      ],
      ['1.25', { SecurityOptions: info.SecurityOptions, KernelVersion: '<unknown>', OperatingSystem: '<unknown>' }],
      ['1.38', { KernelVersion: '<unknown>', Runtimes: { crun: { path: 'crun' } } }],
      ['1.39', { KernelVersion: '', OperatingSystem: '' }],
      ['1.43', { Runtimes: { crun: { path: 'crun' } } }],
      ['1.44', { Runtimes: info.Runtimes, Containerd: undefined }],
      ['1.45', { Containerd: undefined }],
      ['1.46', { Containerd: info.Containerd }],
      [
        '1.47',
        {
          RegistryConfig: {
            AllowNondistributableArtifactsCIDRs: null,
            AllowNondistributableArtifactsHostnames: null,
            Mirrors: [],
          },
        },
      ],
      [
        '1.48',
        { RegistryConfig: { Mirrors: [] }, FirewallBackend: undefined, RuncCommit: { ID: 'abc', Expected: 'abc' } },
      ],
      ['1.49', { FirewallBackend: info.FirewallBackend, RuncCommit: { ID: 'abc' }, BridgeNfIptables: true }],
      ['1.50', { BridgeNfIptables: undefined, FirewallBackend: info.FirewallBackend, ExecutionDriver: undefined }],
    ];
    for (const [version, shown] of table) {
      const answer = legacyInfo(info, of(version)) as Record<string, unknown>;
      for (const [name, value] of Object.entries(shown)) assert.deepEqual(answer[name], value, `${version} ${name}`);
    }
  });
});
