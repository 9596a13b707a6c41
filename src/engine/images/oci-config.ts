/** The config blob of an image (OCI image-spec, config.md; Docker's image spec 1.3 adds fields to `config`). */
import { GantryError } from '../../api/errors.ts';
import type { ImageConfig } from '../../api/schemas/image.ts';
import type { Layer } from '../../storage/contract.ts';
import type { HistoryEntry, ImageRecord } from '../image-record.ts';
import { imageConfigOf } from './image-config.ts';

export interface ConfigParts {
  created: string;
  author: string;
  comment: string;
  architecture: string;
  variant: string;
  config: ImageConfig;
  diffIds: string[];
  history: HistoryEntry[];
}

/** The bytes whose digest is the image's ID. */
export function buildConfig(parts: ConfigParts): Buffer {
  const config = Object.fromEntries(
    Object.entries(parts.config).filter(([, value]) => {
      if (value === null || value === undefined || value === '') return false;
      return typeof value !== 'object' || Array.isArray(value) || Object.keys(value).length > 0;
    }),
  );
  return Buffer.from(
    JSON.stringify({
      created: parts.created,
      ...(parts.author === '' ? {} : { author: parts.author }),
      ...(parts.comment === '' ? {} : { comment: parts.comment }),
      architecture: parts.architecture,
      ...(parts.variant === '' ? {} : { variant: parts.variant }),
      os: 'linux',
      config,
      rootfs: { type: 'layers', diff_ids: parts.diffIds },
      history: parts.history,
    }),
  );
}

interface ConfigBlob {
  created?: string;
  author?: string;
  comment?: string;
  architecture?: string;
  variant?: string;
  os?: string;
  'os.version'?: string;
  config?: ImageConfig | null;
  rootfs?: { type?: string; diff_ids?: string[] };
  history?: HistoryEntry[] | null;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** Reads a config blob from outside. Throws invalid_parameter for what is no image config. */
export function parseConfig(bytes: Uint8Array): ConfigBlob & { diffIds: string[] } {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (cause) {
    throw new GantryError('invalid_parameter', 'invalid image config: not JSON', { cause });
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw new GantryError('invalid_parameter', 'invalid image config: not an object');
  }
  const blob = value as ConfigBlob;
  const diffIds = blob.rootfs?.diff_ids ?? [];
  if (!Array.isArray(diffIds) || !diffIds.every((id) => typeof id === 'string' && /^sha256:[0-9a-f]{64}$/.test(id))) {
    throw new GantryError(
      'invalid_parameter',
      'invalid image config: rootfs.diff_ids must be a list of sha256 digests',
    );
  }
  if (blob.history !== undefined && blob.history !== null && !isHistory(blob.history)) {
    throw new GantryError('invalid_parameter', 'invalid image config: history must be a list of objects');
  }
  if (blob.config !== undefined && blob.config !== null && !isConfig(blob.config)) {
    throw new GantryError('invalid_parameter', 'invalid image config: a field of config has the wrong type');
  }
  return { ...blob, diffIds };
}

function isHistory(value: unknown): boolean {
  return Array.isArray(value) && value.every((entry) => entry !== null && typeof entry === 'object');
}

const LISTS = ['Env', 'Cmd', 'Entrypoint', 'OnBuild', 'Shell'] as const;
const MAPS = ['ExposedPorts', 'Volumes', 'Labels', 'Healthcheck'] as const;
const TEXTS = ['User', 'WorkingDir', 'StopSignal'] as const;

function isConfig(config: unknown): boolean {
  if (typeof config !== 'object' || config === null || Array.isArray(config)) return false;
  const fields = config as Record<string, unknown>;
  const absent = (value: unknown) => value === undefined || value === null;
  const isMap = (value: unknown) => typeof value === 'object' && !Array.isArray(value);
  return (
    LISTS.every((name) => {
      const value = fields[name];
      return absent(value) || (Array.isArray(value) && value.every((item) => typeof item === 'string'));
    }) &&
    MAPS.every((name) => absent(fields[name]) || isMap(fields[name])) &&
    TEXTS.every((name) => absent(fields[name]) || typeof fields[name] === 'string') &&
    Object.values((fields.Labels as object | null) ?? {}).every((value) => typeof value === 'string')
  );
}

/** The record of an image whose layers (bottom first) are registered. */
export function recordOf(
  config: Uint8Array,
  id: string,
  layers: Layer[],
  known: { parent: string; lastTagTime: string },
): ImageRecord {
  const blob = parseConfig(config);
  return {
    id,
    created: text(blob.created),
    author: text(blob.author),
    architecture: text(blob.architecture),
    variant: text(blob.variant),
    os: text(blob.os) || 'linux',
    osVersion: text(blob['os.version']),
    parent: known.parent,
    comment: text(blob.comment),
    config: imageConfigOf(blob.config),
    diffIds: blob.diffIds,
    chainIds: layers.map((layer) => layer.chainId),
    history: blob.history ?? [],
    size: layers.reduce((sum, layer) => sum + layer.size, 0),
    lastTagTime: known.lastTagTime,
  };
}
