/**
 * Names of images: "busybox", "docker.io/library/busybox:1.36", "registry:5000/team/app@sha256:...". The grammar and the rules
 * that make a short name a full one are those of the distribution project's reference package, which every Docker client uses.
 */
import { GantryError } from '../../api/errors.ts';

const SEPARATOR = '(?:[._]|__|-+)';
const PATH_COMPONENT = `[a-z0-9]+(?:${SEPARATOR}[a-z0-9]+)*`;
const DOMAIN_COMPONENT = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const HOST = `(?:${DOMAIN_COMPONENT}(?:\\.${DOMAIN_COMPONENT})*|\\[[a-fA-F0-9:]+\\])`;
const DOMAIN = `${HOST}(?::[0-9]+)?`;
const TAG = '[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}';
const DIGEST = '[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}';
const REFERENCE = new RegExp(
  `^(?<domain>${DOMAIN})/(?<path>${PATH_COMPONENT}(?:/${PATH_COMPONENT})*)(?::(?<tag>${TAG}))?(?:@(?<digest>${DIGEST}))?$`,
);
const IMAGE_ID = /^sha256:[0-9a-f]{64}$/;
const TAG_ONLY = new RegExp(`^${TAG}$`);
/** Longest name (domain and path) that registries accept. */
const MAX_NAME = 255;

export interface Reference {
  /** "docker.io", "localhost:5000". */
  domain: string;
  /** "library/busybox". */
  path: string;
  tag: string | null;
  digest: string | null;
}

function invalid(detail = ''): GantryError {
  return new GantryError('invalid_parameter', `invalid reference format${detail}`);
}

/** Reads a name as a user types it. Throws invalid_parameter, "invalid reference format", with Docker's reasons. */
export function parseReference(text: string): Reference {
  if (/^[a-f0-9]{64}$/.test(text)) {
    throw new GantryError(
      'invalid_parameter',
      `invalid repository name (${text}), cannot specify 64-byte hexadecimal strings`,
    );
  }
  const { domain, rest } = splitDomain(text);
  const colon = rest.indexOf(':');
  const at = rest.indexOf('@');
  const end = Math.min(colon < 0 ? rest.length : colon, at < 0 ? rest.length : at);
  const name = rest.slice(0, end);
  if (name !== name.toLowerCase()) throw invalid(`: repository name (${name}) must be lowercase`);
  const groups = REFERENCE.exec(`${domain}/${rest}`)?.groups;
  if (groups === undefined) throw invalid();
  const path = groups.path!;
  if (domain.length + 1 + path.length > MAX_NAME) {
    throw new GantryError('invalid_parameter', `repository name must not be more than ${MAX_NAME} characters`);
  }
  const digest = groups.digest ?? null;
  // Of the algorithms only sha256 and its longer sisters have a known length; others are refused where they are looked up.
  if (digest?.startsWith('sha256:') && !IMAGE_ID.test(digest)) throw invalid();
  return { domain, path, tag: groups.tag ?? null, digest };
}

/** First component is a host when it looks like one: a dot, a port, "localhost", or capitals (no path may have them). */
function splitDomain(text: string): { domain: string; rest: string } {
  const slash = text.indexOf('/');
  const first = slash < 0 ? '' : text.slice(0, slash);
  const isHost = slash >= 0 && (/[.:]/.test(first) || first === 'localhost' || first.toLowerCase() !== first);
  let domain = isHost ? first : 'docker.io';
  let rest = isHost ? text.slice(slash + 1) : text;
  if (domain === 'index.docker.io') domain = 'docker.io';
  if (domain === 'docker.io' && !rest.includes('/')) rest = `library/${rest}`;
  return { domain, rest };
}

/** A name or the ID of an image ("sha256:<64 hex>" or 64 hex digits). Throws as parseReference does. */
export function parseAnyReference(text: string): { id: string } | { reference: Reference } {
  if (/^[a-f0-9]{64}$/.test(text)) return { id: `sha256:${text}` };
  if (IMAGE_ID.test(text)) return { id: text };
  return { reference: parseReference(text) };
}

/** The same reference, with the tag "latest" when it has neither tag nor digest. */
export function withDefaultTag(reference: Reference): Reference {
  return reference.tag === null && reference.digest === null ? { ...reference, tag: 'latest' } : reference;
}

/** The same reference as the name of an image here, "latest" when it has no tag. Throws invalid_parameter. */
export function asTag(reference: Reference): Reference {
  // "sha256:abc" would read as the beginning of an ID.
  if (familiarName(reference) === 'sha256') {
    throw new GantryError('invalid_parameter', 'refusing to create an ambiguous tag using digest algorithm as name');
  }
  return withDefaultTag(reference);
}

/** Throws invalid_parameter when `tag` is none. */
export function checkTag(tag: string): string {
  if (!TAG_ONLY.test(tag)) throw new GantryError('invalid_parameter', 'invalid tag format');
  return tag;
}

/** "docker.io/library/busybox". */
export function fullName(reference: Reference): string {
  return `${reference.domain}/${reference.path}`;
}

/** The name as users know it: without docker.io and library. */
export function familiarName(reference: Reference): string {
  if (reference.domain !== 'docker.io') return fullName(reference);
  const short = reference.path.slice('library/'.length);
  return reference.path.startsWith('library/') && !short.includes('/') ? short : reference.path;
}

function suffix(reference: Reference): string {
  return `${reference.tag === null ? '' : `:${reference.tag}`}${reference.digest === null ? '' : `@${reference.digest}`}`;
}

/** "docker.io/library/busybox:latest": the form that the state store keeps. */
export function fullString(reference: Reference): string {
  return fullName(reference) + suffix(reference);
}

/** "busybox:latest": the form that users see. */
export function familiarString(reference: Reference): string {
  return familiarName(reference) + suffix(reference);
}

/** Key under which the store keeps what this name points at: a digest wins over a tag. */
export function storeKey(reference: Reference): string {
  if (reference.digest !== null) return `${fullName(reference)}@${reference.digest}`;
  return fullString(withDefaultTag(reference));
}
