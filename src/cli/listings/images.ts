import type { ImageSummary } from '../../api/schemas/image.ts';
import { humanDuration, humanSize } from '../../api/units.ts';
import type { Listing, Row } from '../format/rows.ts';
import { ellipsis, goTime, shortId } from './text.ts';

/** `docker images`. */
export function imageListing(digests: boolean): Listing {
  return {
    headers: {
      ID: 'IMAGE ID',
      Repository: 'REPOSITORY',
      Tag: 'TAG',
      Digest: 'DIGEST',
      CreatedSince: 'CREATED',
      CreatedAt: 'CREATED AT',
      Size: 'SIZE',
      Containers: 'CONTAINERS',
      VirtualSize: 'SIZE',
      SharedSize: 'SHARED SIZE',
      UniqueSize: 'UNIQUE SIZE',
    },
    table: `table {{.Repository}}\t{{.Tag}}\t${digests ? '{{.Digest}}\t' : ''}{{.ID}}\t{{if .CreatedSince}}{{.CreatedSince}}{{else}}N/A{{end}}\t{{.Size}}`,
    quiet: 'ID',
    type: '*formatter.imageContext',
    raw: {
      lines: `repository: {{.Repository}}\ntag: {{.Tag}}\n${digests ? 'digest: {{.Digest}}\n' : ''}image_id: {{.ID}}\ncreated_at: {{.CreatedAt}}\nvirtual_size: {{.Size}}\n`,
      quiet: 'image_id: {{.ID}}',
    },
  };
}

const NONE = '<none>';

/** Repository and tag (or digest) of a reference; a registry's port is not a tag. */
function split(reference: string, separator: ':' | '@'): [string, string] {
  const at = separator === '@' ? reference.indexOf('@') : reference.lastIndexOf(':');
  if (at < 0 || reference.slice(at).includes('/')) return [reference, NONE];
  return [reference.slice(0, at), reference.slice(at + 1)];
}

/** A row for each tag of an image; with `digests` also for digests without a tag. */
export function imageRows(
  image: ImageSummary,
  options: { truncate: boolean; digests: boolean },
  now = Date.now(),
): Row[] {
  const rows: Row[] = [];
  const digests = new Map((image.RepoDigests ?? []).map((reference) => split(reference, '@')));
  const row = (repository: string, tag: string, digest: string): Row => {
    const unknown = (value: number | undefined): string =>
      value === undefined || value < 0 ? 'N/A' : humanSize(value);
    const size = image.Size ?? 0;
    const shared = image.SharedSize ?? -1;
    return {
      ID: options.truncate ? shortId(image.Id ?? '') : image.Id,
      Repository: repository,
      Tag: tag,
      Digest: digest,
      CreatedSince: (image.Created ?? 0) <= 0 ? '' : `${humanDuration(now - image.Created! * 1000)} ago`,
      CreatedAt: goTime(image.Created ?? 0),
      Size: humanSize(size, 3),
      Containers: (image.Containers ?? -1) < 0 ? 'N/A' : String(image.Containers),
      VirtualSize: humanSize(size),
      SharedSize: unknown(shared),
      UniqueSize: unknown(shared < 0 ? -1 : size - shared),
    };
  };
  const tagged = new Set<string>();
  for (const reference of image.RepoTags ?? []) {
    if (reference === '<none>:<none>') continue;
    const [repository, tag] = split(reference, ':');
    tagged.add(repository);
    rows.push(row(repository, tag, digests.get(repository) ?? NONE));
  }
  for (const [repository, digest] of digests) {
    if (tagged.has(repository) || repository === NONE) continue;
    rows.push(row(repository, NONE, digest));
  }
  if (rows.length === 0) rows.push(row(NONE, NONE, NONE));
  return rows;
}

export interface HistoryItem {
  Id: string;
  Created: number;
  CreatedBy: string;
  Size: number;
  Comment: string;
}

/** `docker history`; the column of dates has its title by what it shows. */
export const historyListing = (human: boolean): Listing => ({
  type: '*image.historyContext',
  headers: {
    ID: 'IMAGE',
    CreatedSince: human ? 'CREATED' : 'CREATED AT',
    CreatedAt: 'CREATED AT',
    CreatedBy: 'CREATED BY',
    Size: 'SIZE',
    Comment: 'COMMENT',
  },
  table: 'table {{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}',
  quiet: 'ID',
});

/** RFC 3339 in local time, as Go prints history's dates. */
function rfc3339(seconds: number): string {
  const [day, time, zone] = goTime(seconds).split(' ') as [string, string, string];
  return `${day}T${time}${zone === '+0000' ? 'Z' : `${zone.slice(0, 3)}:${zone.slice(3)}`}`;
}

export function historyRow(item: HistoryItem, options: { truncate: boolean; human: boolean }, now = Date.now()): Row {
  const by = item.CreatedBy.replaceAll('\t', ' ');
  return {
    ID: options.truncate ? shortId(item.Id) : item.Id,
    CreatedSince: options.human
      ? item.Created <= 0
        ? 'N/A'
        : `${humanDuration(now - item.Created * 1000)} ago`
      : rfc3339(item.Created),
    CreatedAt: rfc3339(item.Created),
    CreatedBy: options.truncate ? ellipsis(by, 45) : by,
    Size: options.human ? humanSize(item.Size, 3) : String(item.Size),
    Comment: item.Comment,
  };
}
