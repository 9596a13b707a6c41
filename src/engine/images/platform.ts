import { GantryError } from '../../api/errors.ts';
import type { ImageRecord } from '../image-record.ts';

export interface Platform {
  os: string;
  architecture: string;
  /** '' for any. */
  variant: string;
}

/** GOARCH name of this machine, as images carry it. */
export function hostArchitecture(): string {
  return ({ x64: 'amd64', ia32: '386' } as Record<string, string>)[process.arch] ?? process.arch;
}

/** Reads os[/arch[/variant]]; missing parts are this machine's. What no image has is no error here. Throws invalid_parameter. */
export function parsePlatform(text: string): Platform {
  if (text === '') return { os: 'linux', architecture: hostArchitecture(), variant: '' };
  const parts = text.toLowerCase().split('/');
  if (parts.length > 3 || parts.some((part) => !/^[a-z0-9_.-]+$/.test(part))) {
    throw new GantryError('invalid_parameter', `"${text}" is an invalid OS/arch specification: invalid argument`);
  }
  const [os, architecture, variant = ''] = parts as [string, ...string[]];
  // One word alone may also be an architecture.
  if (parts.length === 1 && os !== 'linux') return normalised('linux', os, '');
  return architecture === undefined
    ? { os, architecture: hostArchitecture(), variant }
    : normalised(os, architecture, variant);
}

function normalised(os: string, architecture: string, variant: string): Platform {
  const names: Record<string, string> = { x86_64: 'amd64', 'x86-64': 'amd64', aarch64: 'arm64', i386: '386' };
  const name = names[architecture] ?? architecture;
  return { os, architecture: name, variant: name === 'arm64' && variant === 'v8' ? '' : variant };
}

/** Reads the `platform` parameter of newer operations, an OCI platform as JSON; null when it is absent. Throws invalid_parameter. */
export function parseJsonPlatform(text: string): Platform | null {
  if (text === '') return null;
  let value: { os?: unknown; architecture?: unknown; variant?: unknown } | null;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new GantryError('invalid_parameter', `failed to parse platform: ${text}`, { cause });
  }
  const { os = 'linux', architecture, variant = '' } = value ?? {};
  if (typeof os !== 'string' || typeof architecture !== 'string' || typeof variant !== 'string') {
    throw new GantryError('invalid_parameter', `failed to parse platform: ${text}`);
  }
  return parsePlatform([os, architecture, ...(variant === '' ? [] : [variant])].join('/'));
}

/** Throws not_found when the image that `reference` named is for another platform than the one asked for. */
export function checkPlatform(image: ImageRecord, platform: Platform | null, reference: string): void {
  if (platform === null) return;
  const { os, architecture, variant } = platform;
  if (os === image.os && architecture === image.architecture && (variant === '' || variant === image.variant)) return;
  const shown = `${os}/${architecture}${variant === '' ? '' : `/${variant}`}`;
  throw new GantryError(
    'not_found',
    `image with reference ${reference} was found but does not provide the specified platform (${shown})`,
  );
}
