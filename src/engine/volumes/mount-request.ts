import { existsSync } from 'node:fs';
import { posix } from 'node:path';
import { GantryError } from '../../api/errors.ts';
import type { HostConfig } from '../../api/schemas/host-config.ts';
import type { Mount } from '../../api/schemas/mount.ts';
import { tmpfsOptions } from '../../runtime/spec/mounts.ts';

/** One mount that a container asks for, whichever of the API's three forms it came in. */
export interface MountRequest {
  type: 'bind' | 'volume' | 'tmpfs' | 'image';
  /** bind: host path; volume: name, '' for an anonymous one; tmpfs: ''; image: as the user named it. */
  source: string;
  /** Clean absolute path. */
  destination: string;
  readOnly: boolean;
  /** As given after the second colon of a Binds entry; '' for Mounts. */
  mode: string;
  /** bind: '' when not asked for. */
  propagation: string;
  nonRecursive: boolean;
  /** How a read-only bind treats mounts below it. */
  readOnlyRecursion: 'if-possible' | 'never' | 'force';
  /** bind: make a missing source directory. */
  createSource: boolean;
  /** volume: fill an empty volume with what the image has there. */
  copy: boolean;
  /** Path inside the volume or image. */
  subpath: string;
  labels: Record<string, string>;
  /** volume: driver ('' for whichever has it) and options that it is made with. */
  driver: string;
  driverOptions: Record<string, string>;
  /** tmpfs: options in mount(8) form. */
  tmpfs: string;
}

const PROPAGATIONS = ['private', 'rprivate', 'shared', 'rshared', 'slave', 'rslave'];
/** Groups of words of which a mode may have one each. */
const MODE_WORDS: readonly (readonly string[])[] = [
  ['rw', 'ro'],
  ['z', 'Z'],
  PROPAGATIONS,
  ['nocopy'],
  ['consistent', 'cached', 'delegated'],
];
const VOLUME_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;

const EMPTY: Omit<MountRequest, 'type' | 'destination'> = {
  source: '',
  readOnly: false,
  mode: '',
  propagation: '',
  nonRecursive: false,
  readOnlyRecursion: 'if-possible',
  createSource: false,
  copy: true,
  subpath: '',
  labels: {},
  driver: '',
  driverOptions: {},
  tmpfs: '',
};

const invalid = (message: string) => new GantryError('invalid_parameter', message);

/** All mounts of Binds and Mounts. Throws invalid_parameter for wrong ones. */
export function mountRequests(hostConfig: HostConfig): MountRequest[] {
  return [
    ...(hostConfig.Binds ?? []).map((bind) => parseBind(bind, hostConfig.VolumeDriver)),
    ...(hostConfig.Mounts ?? []).map((mount) => parseMount(mount)),
  ];
}

/** As mountRequests(); throws invalid_parameter as well when two have one destination and for a source that is not there. */
export function checkMountRequests(hostConfig: HostConfig): MountRequest[] {
  const requests = mountRequests(hostConfig);
  for (const request of requests) checkBindSource(request);
  const seen = new Set<string>();
  for (const destination of [
    ...requests.map((request) => request.destination),
    ...Object.keys(hostConfig.Tmpfs ?? {}).map(cleanPath),
  ]) {
    if (seen.has(destination)) throw invalid(`Duplicate mount point: ${destination}`);
    seen.add(destination);
  }
  for (const entry of hostConfig.VolumesFrom ?? []) parseVolumesFrom(entry);
  return requests;
}

/** Throws invalid_parameter when a directory is not there that nobody makes. */
export function checkBindSource({ type, source, createSource }: MountRequest): void {
  if (type === 'bind' && !createSource && !existsSync(source)) {
    throw mountError('bind', `bind source path does not exist: ${source}`);
  }
}

/** "/host:/container[:mode]" or "name:/container[:mode]"; `volumeDriver`: of a named volume that is made. Throws invalid_parameter. */
export function parseBind(raw: string, volumeDriver = ''): MountRequest {
  const parts = raw.split(':');
  const bad = (why = '') => invalid(`invalid volume specification: '${raw}'${why === '' ? '' : `: ${why}`}`);
  if (parts[0] === '' || parts.length > 3) throw bad();
  if (parts.length === 2 && isMode(parts[1]!)) throw bad();
  const [source, destination, mode] = parts.length === 1 ? ['', parts[0]!, ''] : [parts[0]!, parts[1]!, parts[2] ?? ''];
  if (!isMode(mode)) throw invalid(`invalid mode: ${mode}`);
  const words = mode.split(',');
  const type = source.startsWith('/') ? 'bind' : 'volume';
  const propagation = words.find((word) => PROPAGATIONS.includes(word)) ?? '';
  try {
    checkTarget(destination, type);
    if (type === 'volume') {
      checkVolumeName(source);
      if (propagation !== '') throw mountError('volume', 'field BindOptions must not be specified');
    } else if (words.includes('nocopy')) throw mountError('bind', 'field VolumeOptions must not be specified');
  } catch (error) {
    throw error instanceof GantryError && error.code === 'invalid_parameter' ? bad(error.message) : error;
  }
  return {
    ...EMPTY,
    type,
    source: type === 'bind' ? cleanPath(source) : source,
    destination: cleanPath(destination),
    readOnly: words.includes('ro'),
    mode,
    propagation,
    createSource: type === 'bind',
    driver: type === 'volume' ? volumeDriver : '',
    copy: !words.includes('nocopy'),
  };
}

/** An entry of HostConfig.Mounts (--mount). Throws invalid_parameter. */
export function parseMount(mount: Mount): MountRequest {
  const type: string = mount.Type ?? '';
  const fail = (why: string) => mountError(type, why);
  const extra = (field: 'BindOptions' | 'VolumeOptions' | 'ImageOptions' | 'TmpfsOptions') => {
    if (mount[field] !== undefined) throw fail(`field ${field} must not be specified`);
  };
  checkTarget(mount.Target ?? '', type);
  const base = {
    ...EMPTY,
    source: mount.Source ?? '',
    destination: cleanPath(mount.Target!),
    readOnly: mount.ReadOnly === true,
  };
  switch (type) {
    case 'bind': {
      extra('VolumeOptions');
      extra('ImageOptions');
      extra('TmpfsOptions');
      return bindMount(mount, base, fail);
    }
    case 'volume': {
      extra('BindOptions');
      extra('ImageOptions');
      extra('TmpfsOptions');
      return volumeMount(mount, base, fail);
    }
    case 'tmpfs': {
      extra('BindOptions');
      extra('VolumeOptions');
      extra('ImageOptions');
      if (base.source !== '') throw fail('field Source must not be specified');
      const tmpfs = tmpfsText(mount, fail);
      tmpfsOptions(tmpfs);
      return { ...base, type: 'tmpfs', tmpfs };
    }
    case 'image': {
      extra('BindOptions');
      extra('VolumeOptions');
      extra('TmpfsOptions');
      if (base.source === '') throw fail('field Source must not be empty');
      const subpath = mount.ImageOptions?.Subpath ?? '';
      if (!isLocal(subpath)) throw fail('subpath must be a relative path within the volume');
      return { ...base, type: 'image', readOnly: true, subpath };
    }
    // Named pipes are Windows', and a cluster's volumes go to the tasks of services alone.
    default:
      throw fail('mount type unknown');
  }
}

function bindMount(mount: Mount, base: Omit<MountRequest, 'type'>, fail: (why: string) => GantryError): MountRequest {
  const options = mount.BindOptions ?? {};
  if (base.source === '') throw fail('field Source must not be empty');
  const propagation: string = options.Propagation ?? '';
  if (propagation !== '' && !PROPAGATIONS.includes(propagation)) {
    throw fail(`invalid propagation mode: ${propagation}`);
  }
  if (!base.source.startsWith('/')) throw fail(`invalid mount path: '${base.source}' mount path must be absolute`);
  if (options.ReadOnlyForceRecursive === true) {
    if (options.ReadOnlyNonRecursive === true) {
      throw fail('mount options conflict: ReadOnlyForceRecursive and ReadOnlyNonRecursive');
    }
    // A mount that comes in later would not be read-only.
    if (propagation !== 'rprivate') throw fail('ReadOnlyForceRecursive requires Propagation to be rprivate');
  }
  return {
    ...base,
    type: 'bind',
    source: cleanPath(base.source),
    propagation,
    nonRecursive: options.NonRecursive === true,
    readOnlyRecursion: options.ReadOnlyForceRecursive
      ? 'force'
      : options.ReadOnlyNonRecursive
        ? 'never'
        : 'if-possible',
    createSource: options.CreateMountpoint === true,
  };
}

function volumeMount(mount: Mount, base: Omit<MountRequest, 'type'>, fail: (why: string) => GantryError): MountRequest {
  const options = mount.VolumeOptions ?? {};
  const driver = options.DriverConfig?.Name ?? '';
  const subpath = options.Subpath ?? '';
  if (subpath !== '') {
    if (base.source === '') throw fail('must not set Subpath when using anonymous volumes');
    if (!isLocal(subpath)) throw fail('subpath must be a relative path within the volume');
  }
  checkVolumeName(base.source);
  return {
    ...base,
    type: 'volume',
    copy: options.NoCopy !== true,
    subpath,
    labels: options.Labels ?? {},
    driver,
    driverOptions: options.DriverConfig?.Options ?? {},
  };
}

/** TmpfsOptions as mount(8) would have them; sizes keep the unit that divides them. */
function tmpfsText(mount: Mount, fail: (why: string) => GantryError): string {
  const options = mount.TmpfsOptions ?? {};
  const words = mount.ReadOnly === true ? ['ro'] : [];
  if (options.Mode) words.push(`mode=${options.Mode.toString(8)}`);
  if (options.SizeBytes) {
    const unit = UNITS.find(([, factor]) => options.SizeBytes! % factor === 0);
    words.push(`size=${options.SizeBytes / (unit?.[1] ?? 1)}${unit?.[0] ?? ''}`);
  }
  for (const option of options.Options ?? []) {
    if (option.length < 1 || option.length > 2) throw fail('invalid option array length');
    if (option[0] !== 'exec' && option[0] !== 'noexec') throw fail(`invalid option: ${option[0]}`);
    words.push(option.join('='));
  }
  return words.join(',');
}

const UNITS: [string, number][] = [
  ['g', 2 ** 30],
  ['m', 2 ** 20],
  ['k', 2 ** 10],
];

/** "container[:mode]": whose mounts, and 'ro' or 'rw'. Throws invalid_parameter. */
export function parseVolumesFrom(entry: string): { container: string; mode: string } {
  if (entry === '') throw invalid('volumes-from specification cannot be an empty string');
  const at = entry.indexOf(':');
  const container = at < 0 ? entry : entry.slice(0, at);
  const mode = at < 0 ? '' : entry.slice(at + 1);
  const words = mode.split(',');
  if (!isMode(mode) || words.some((word) => PROPAGATIONS.includes(word) || word === 'nocopy')) {
    throw invalid(`invalid mode: ${mode}`);
  }
  return { container, mode: mode === '' ? 'rw' : mode };
}

/** Throws invalid_parameter with Docker's words; '' (anonymous) is fine. */
export function checkVolumeName(name: string): void {
  if (name === '' || VOLUME_NAME.test(name)) return;
  const reason =
    name.length === 1
      ? 'volume name is too short, names should be at least two alphanumeric characters'
      : `"${name}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`;
  throw invalid(reason);
}

export function cleanPath(path: string): string {
  const clean = posix.normalize(path);
  return clean.length > 1 && clean.endsWith('/') ? clean.slice(0, -1) : clean;
}

function checkTarget(target: string, type: string): void {
  if (target === '') throw mountError(type, 'field Target must not be empty');
  if (posix.normalize(target) === '/') throw mountError(type, "invalid specification: destination can't be '/'");
  if (!target.startsWith('/')) throw mountError(type, `invalid mount path: '${target}' mount path must be absolute`);
}

/** Whether a relative path stays below where it starts, symlinks aside. */
function isLocal(path: string): boolean {
  return !path.startsWith('/') && posix.normalize(path).split('/')[0] !== '..';
}

function isMode(mode: string): boolean {
  if (mode === '') return true;
  const counts = MODE_WORDS.map(() => 0);
  for (const word of mode.split(',')) {
    const group = MODE_WORDS.findIndex((words) => words.includes(word));
    if (group < 0) return false;
    counts[group]! += 1;
  }
  return counts.every((count) => count <= 1);
}

function mountError(type: string, why: string): GantryError {
  return invalid(`invalid mount config for type "${type}": ${why}`);
}
