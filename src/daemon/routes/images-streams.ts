import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { GantryError, messageOf, notSupportedYet } from '../../api/errors.ts';
import type { Images } from '../../engine/images/images.ts';
import { parseJsonPlatform } from '../../engine/images/platform.ts';
import { shortId } from '../../engine/images/scope.ts';
import type { ApiReply, ApiRequest, Route } from '../contract.ts';
import { ProgressStream } from '../progress.ts';
import { upload } from '../upload.ts';

/** Milliseconds between two messages about the same layer. */
const PROGRESS_INTERVAL = 100;

/** Images that go in and out as archives: import, load, save. */
export function imageStreamRoutes(images: Images): Route[] {
  return [
    {
      method: 'POST',
      path: '/images/create',
      operationId: 'ImageCreate',
      async handler(request, reply) {
        await createImage(images, request, reply);
      },
    },
    {
      method: 'POST',
      path: '/images/load',
      operationId: 'ImageLoad',
      async handler({ query, input, signal }, reply) {
        const progress = new ProgressStream(reply);
        const quiet = query.bool('quiet', true);
        try {
          await images.load(upload(input), {
            platform: parseJsonPlatform(query.string('platform')),
            signal,
            onMessage: (text) => progress.text(text),
            onProgress: quiet ? () => {} : layerProgress(progress, 'Loading layer'),
          });
          progress.end();
        } catch (error) {
          progress.fail(error);
        }
      },
    },
    {
      method: 'GET',
      path: '/images/get',
      operationId: 'ImageGetAll',
      async handler({ query, signal }, reply) {
        const names = query.strings('names');
        await sendArchive(images.save(names, parseJsonPlatform(query.string('platform'))), reply, signal);
      },
    },
    {
      method: 'GET',
      path: '/images/:name*/get',
      operationId: 'ImageGet',
      async handler({ params, query, signal }, reply) {
        await sendArchive(images.save([params.name!], parseJsonPlatform(query.string('platform'))), reply, signal);
      },
    },
  ];
}

/** Sends a tar; a client that goes away before its end wants no more of it. */
export async function sendArchive(
  tar: Readable,
  reply: ApiReply,
  signal: AbortSignal,
  headers: Record<string, string> = { 'Content-Type': 'application/x-tar' },
): Promise<void> {
  try {
    await pipeline(tar, reply.stream(200, headers), { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

function layerProgress(progress: ProgressStream, status: string) {
  const last = new Map<string, number>();
  return (diffId: string, bytes: number, total: number) => {
    const now = performance.now();
    if (bytes < total && now - (last.get(diffId) ?? 0) < PROGRESS_INTERVAL) return;
    last.set(diffId, now);
    progress.status(status, shortId(diffId), { current: Math.min(bytes, total), total });
  };
}

async function createImage(images: Images, { query, input, signal }: ApiRequest, reply: ApiReply): Promise<void> {
  const fromImage = query.string('fromImage');
  if (fromImage !== '') {
    const tag = query.string('tag');
    const name = tag === '' ? fromImage : `${fromImage}${tag.includes(':') ? '@' : ':'}${tag}`;
    throw notSupportedYet(`pulling ${name} from a registry`);
  }
  const source = query.string('fromSrc');
  if (source === '') throw new GantryError('invalid_parameter', 'one of fromImage and fromSrc must be given');
  const progress = new ProgressStream(reply);
  try {
    const tar = source === '-' ? upload(input) : await download(source, progress, signal);
    const id = await images.import(tar, {
      repo: query.string('repo'),
      tag: query.string('tag'),
      message: query.string('message') || `Imported from ${source}`,
      changes: query.strings('changes'),
      platform: query.string('platform'),
      signal,
      onProgress: () => {},
    });
    progress.status(id);
    progress.end();
  } catch (error) {
    progress.fail(error);
  }
}

async function download(source: string, progress: ProgressStream, signal: AbortSignal): Promise<Readable> {
  const url = URL.parse(source.includes('://') ? source : `http://${source}`);
  if (url === null || !['http:', 'https:'].includes(url.protocol)) {
    throw new GantryError('invalid_parameter', `invalid URL to import from: ${source}`);
  }
  progress.status(`Downloading from ${url}`);
  let response: Response;
  try {
    response = await fetch(url, { signal });
  } catch (error) {
    const cause = (error as Error).cause ?? error;
    throw new GantryError('system', `cannot download ${url}: ${messageOf(cause)}`, { cause });
  }
  if (!response.ok || response.body === null) {
    throw new GantryError('invalid_parameter', `cannot download ${url}: the server answers ${response.status}`);
  }
  return Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0]);
}
