/** Volumes where they meet the kernel: owners and extended attributes, bind mounts by descriptor. Needs root. */
import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { GantryError } from '../../src/api/errors.ts';
import type { HostConfig } from '../../src/api/schemas/host-config.ts';
import type { MountPoint } from '../../src/api/schemas/mount.ts';
import type { ContainerRecord } from '../../src/engine/container-record.ts';
import { EventBus } from '../../src/engine/events.ts';
import { StateStore } from '../../src/engine/state-store.ts';
import { copyUp } from '../../src/engine/volumes/copy-up.ts';
import { resolveMounts } from '../../src/engine/volumes/mount-points.ts';
import { MountStaging } from '../../src/engine/volumes/mount-staging.ts';
import { ociMounts } from '../../src/engine/volumes/oci-mounts.ts';
import { Volumes } from '../../src/engine/volumes/volumes.ts';
import { mknod, S_IFIFO } from '../../src/linux/file.ts';
import { getXattr, setXattr } from '../../src/linux/xattr.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root';
const daemonRoot = '/var/lib/gantry';
let base = '';
let rootfs = '';
let store: StateStore;
let volumes: Volumes;
let staging: MountStaging;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'gantry-volumes-'));
  rootfs = join(base, 'rootfs');
  mkdirSync(join(rootfs, 'var/lib/app'), { recursive: true });
  store = new StateStore(join(base, 'state.db'));
  volumes = new Volumes({ dataRoot: base, store, events: new EventBus() });
  staging = new MountStaging(join(base, 'staging'), {
    mount() {
      throw new Error('no images here');
    },
  });
});
afterEach(() => {
  store.close();
  rmSync(base, { recursive: true });
});

const noContainer = (): ContainerRecord => {
  throw new Error('no other container here');
};
const plan = (hostConfig: HostConfig, image: string[] = [], container = noContainer) =>
  resolveMounts(
    {
      containerId: 'c1',
      config: { Volumes: Object.fromEntries(image.map((path) => [path, {}])) },
      hostConfig,
      daemonRoot,
      rootfs,
      container,
      imagePath: (destination) => destination,
    },
    volumes,
  );

/** Where the volumes lie: none of them has options. */
const paths = (mounts: MountPoint[]) => new Map(mounts.map(({ Name = '', Source = '' }) => [Name, Source]));

describe('volumes', { skip }, () => {
  test('copy-up keeps owners, modes, links, fifos and attributes', async () => {
    const from = join(rootfs, 'var/lib/app');
    writeFileSync(join(from, 'tool'), 'x');
    chownSync(join(from, 'tool'), 7, 8);
    chmodSync(join(from, 'tool'), 0o4750);
    setXattr(join(from, 'tool'), 'security.capability', Buffer.from('0100000200040000000000000000000000000000', 'hex'));
    symlinkSync('/etc/passwd', join(from, 'link'));
    mknod(join(from, 'pipe'), S_IFIFO | 0o600);
    chownSync(from, 33, 34);
    chmodSync(from, 0o2770);
    const { Mountpoint } = await volumes.create({ Name: 'data' });
    await copyUp(rootfs, '/var/lib/app', Mountpoint);

    const tool = statSync(join(Mountpoint, 'tool'));
    // A change of owner takes setuid bits and capabilities away: the order of the copy matters.
    assert.deepEqual([tool.uid, tool.gid, tool.mode & 0o7777], [7, 8, 0o4750 & 0o7777]);
    assert.deepEqual(
      getXattr(join(Mountpoint, 'tool'), 'security.capability'),
      getXattr(join(from, 'tool'), 'security.capability'),
    );
    assert.equal(readlinkSync(join(Mountpoint, 'link')), '/etc/passwd');
    assert.ok(lstatSync(join(Mountpoint, 'pipe')).isFIFO());
    const top = statSync(Mountpoint);
    assert.deepEqual([top.uid, top.gid, top.mode & 0o7777], [33, 34, 0o2770]);

    writeFileSync(join(from, 'later'), '');
    await copyUp(rootfs, '/var/lib/app', Mountpoint);
    assert.ok(!existsSync(join(Mountpoint, 'later')), 'a volume with content stays as it is');
  });

  test('copy-up does not leave the image', async () => {
    symlinkSync('/', join(rootfs, 'escape'));
    mkdirSync(join(rootfs, 'etc'));
    writeFileSync(join(rootfs, 'etc/inside'), '');
    const { Mountpoint } = await volumes.create({ Name: 'data' });
    await copyUp(rootfs, '/escape/etc', Mountpoint);
    assert.deepEqual(readdirSync(Mountpoint), ['inside']);
  });

  test("a new container's mounts: own ones, then the image's where nothing is", async () => {
    writeFileSync(join(rootfs, 'var/lib/app/file'), 'content');
    const { mounts, anonymousVolumes } = await plan({ Binds: ['/tmp:/var/other:ro', 'data:/named'] }, [
      '/var/lib/app',
      '/var/other',
      '/named/',
    ]);
    assert.deepEqual(
      mounts.map(({ Type, Destination, RW, Mode }) => [Type, Destination, RW, Mode]),
      [
        ['bind', '/var/other', false, 'ro'],
        ['volume', '/named', true, 'z'],
        ['volume', '/var/lib/app', true, ''],
      ],
    );
    assert.equal(anonymousVolumes.length, 1);
    assert.equal(
      readFileSync(join((await volumes.inspect(anonymousVolumes[0]!)).Mountpoint, 'file'), 'utf8'),
      'content',
    );
    assert.deepEqual(volumes.usersOf('data'), ['c1']);
  });

  test('volumes of another container: rm -v takes the nameless ones with the last that has them', async () => {
    const parent = await plan({ Binds: ['data:/data'] }, ['/var/lib/app']);
    const record = {
      hostConfig: {},
      mounts: parent.mounts,
      anonymousVolumes: parent.anonymousVolumes,
    } as ContainerRecord;
    const child = await plan({ VolumesFrom: ['parent'] }, [], () => record);
    assert.deepEqual(child.mounts, parent.mounts);
    assert.deepEqual(child.anonymousVolumes, parent.anonymousVolumes);
    // What is covered by a mount of the child's own is not the child's.
    const covered = await plan({ VolumesFrom: ['parent'], Binds: ['data:/var/lib/app'] }, [], () => record);
    assert.deepEqual(covered.anonymousVolumes, []);
    const missing = () => {
      throw new GantryError('not_found', 'No such container: parent');
    };
    await assert.rejects(plan({ VolumesFrom: ['parent'] }, [], missing), { code: 'invalid_parameter' });
  });

  test('nothing stays behind when one of them fails', async () => {
    writeFileSync(join(rootfs, 'file'), '');
    await assert.rejects(plan({}, ['/var/lib/app', '/file']), {
      message: 'cannot mount volume over existing file, file exists /file',
    });
    assert.deepEqual(readdirSync(join(base, 'volumes')), []);
  });

  test('a missing source of -v is made, mounts get their options', async () => {
    const source = join(base, 'made/deep');
    const hostConfig: HostConfig = {
      Binds: [`${source}:/a:ro`],
      Mounts: [
        { Type: 'tmpfs', Target: '/t', TmpfsOptions: { SizeBytes: 1 << 20 } },
        { Type: 'bind', Source: base, Target: '/b', ReadOnly: true, BindOptions: { NonRecursive: true } },
      ],
    };
    const { mounts } = await plan(hostConfig);
    assert.ok(!existsSync(source), 'not yet at create');
    assert.deepEqual(
      ociMounts({ id: 'c1', mounts, hostConfig }, paths(mounts), { staging, daemonRoot, kernel: [6, 1] }),
      [
        { destination: '/a', type: 'bind', source, options: ['rbind', 'rro', 'rprivate'], propagation: 'rprivate' },
        {
          destination: '/t',
          type: 'tmpfs',
          source: 'tmpfs',
          options: ['noexec', 'nosuid', 'nodev', 'rprivate', 'size=1m'],
        },
        { destination: '/b', type: 'bind', source: base, options: ['bind', 'ro', 'private'], propagation: 'rprivate' },
      ],
    );
    assert.ok(statSync(source).isDirectory());
    const older = ociMounts({ id: 'c1', mounts, hostConfig }, paths(mounts), { staging, daemonRoot, kernel: [5, 10] });
    assert.deepEqual(older[0]!.options, ['rbind', 'ro', 'rprivate']);
  });

  test('a bind that shows the daemon its own directory lets go of its mounts', async () => {
    const bind = (Source: string, Propagation?: string): HostConfig => ({
      Mounts: [{ Type: 'bind', Source, Target: '/b', BindOptions: { CreateMountpoint: true, Propagation } as never }],
    });
    for (const source of ['/', '/var/lib', daemonRoot, `${daemonRoot}/rw/x`]) {
      assert.equal((await plan(bind(source))).mounts[0]!.Propagation, 'rslave', source);
      assert.equal((await plan(bind(source, 'rshared'))).mounts[0]!.Propagation, 'rshared');
      await assert.rejects(plan(bind(source, 'rprivate')), {
        code: 'invalid_parameter',
        message: /within the daemon root/,
      });
    }
    assert.equal((await plan(bind('/var/lib/gantry-other'))).mounts[0]!.Propagation, 'rprivate');
    // Where the mounts of the host are private there is nothing to let go of, and the container starts all the same.
    const hostConfig = bind('/');
    const { mounts } = await plan(hostConfig);
    const [mount] = ociMounts({ id: 'c1', mounts, hostConfig }, paths(mounts), {
      staging,
      daemonRoot,
      kernel: [6, 1],
    });
    const passes = readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .some((line) => / \/ \/ .* (shared|master):/.test(line));
    assert.equal(mount!.propagation, passes ? 'rslave' : 'rprivate');
  });

  test('a single file is read-only by the plain option', async () => {
    const source = join(base, 'single');
    writeFileSync(source, '');
    const hostConfig: HostConfig = { Binds: [`${source}:/etc/single:ro`] };
    const { mounts } = await plan(hostConfig);
    const [mount] = ociMounts({ id: 'c1', mounts, hostConfig }, paths(mounts), {
      staging,
      daemonRoot,
      kernel: [6, 1],
    });
    assert.deepEqual(mount!.options, ['rbind', 'ro', 'rprivate']);
  });

  test('a subpath is bound by descriptor and cannot lead outside', async () => {
    const { Mountpoint } = await volumes.create({ Name: 'data' });
    mkdirSync(join(Mountpoint, 'sub'));
    writeFileSync(join(Mountpoint, 'sub/file'), 'inside');
    symlinkSync(base, join(Mountpoint, 'out'));
    const start = async (Subpath: string) => {
      const hostConfig: HostConfig = {
        Mounts: [{ Type: 'volume', Source: 'data', Target: '/d', VolumeOptions: { Subpath } }],
      };
      const { mounts } = await plan(hostConfig);
      return ociMounts({ id: 'c1', mounts, hostConfig }, paths(mounts), { staging, daemonRoot, kernel: [6, 1] });
    };
    const [mount] = await start('sub');
    assert.equal(readFileSync(join(mount!.source, 'file'), 'utf8'), 'inside');
    await assert.rejects(start('out/volumes'), { code: 'invalid_parameter', message: /no such file or directory/ });
    staging.sweep(new Set(['c1']));
    assert.equal(readFileSync(join(mount!.source, 'file'), 'utf8'), 'inside');
    staging.sweep(new Set());
    assert.deepEqual(readdirSync(join(base, 'staging')), []);
    assert.equal(readFileSync(join(Mountpoint, 'sub/file'), 'utf8'), 'inside');
  });
});
