import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { GantryError, messageOf, notSupportedYet } from '../../api/errors.ts';
import { CreateImageInfo } from '../../api/schemas/image.ts';
import type { Images } from '../../engine/images/images.ts';
import { shortId } from '../../engine/images/scope.ts';
import { type ApiReply, type Route, route } from '../contract.ts';
import { bytes, json, TAR } from '../http/answers.ts';
import { flag, list, type QueryValues, text } from '../http/parameters.ts';
import { ProgressStream } from '../progress.ts';
import { upload } from '../upload.ts';
import { platformSince } from './platform-since.ts';

/** Milliseconds between two messages about the same layer. */
const PROGRESS_INTERVAL = 100;

const CREATE = {
  fromImage: text('Not supported yet: the image to pull'),
  fromSrc: text('Where the tar to import comes from: a URL, or - for the body'),
  repo: text("Repository of the image's name; none for an unnamed one"),
  tag: text("Tag of the name; the repository's own or latest for none"),
  message: text('A word about it'),
  changes: list('Dockerfile instructions that change the configuration'),
  platform: text('From 1.32: os[/arch[/variant]] that the image is for'),
};

const ONE_PLATFORM = text('From 1.48: the platform they must have, an OCI platform as JSON');

/** Images that go in and out as archives: import, load, save. */
export function imageStreamRoutes(images: Images): Route[] {
  return [importRoute(images), loadRoute(images), ...saveRoutes(images)];
}

function importRoute(images: Images): Route {
  return route({
    method: 'POST',
    path: '/images/create',
    operationId: 'ImageCreate',
    summary: 'Make an image of a tar; pulling is not supported yet',
    query: CREATE,
    answers: { 200: json('Progress, one message after the other; the last may be an error', CreateImageInfo) },
    refusals: [501],
    async handler({ query, version, input, signal }, reply) {
      const platform = version.lessThan('1.32') ? '' : query.platform;
      await createImage(images, { ...query, platform }, input, signal, reply);
    },
  });
}

function loadRoute(images: Images): Route {
  return route({
    method: 'POST',
    path: '/images/load',
    operationId: 'ImageLoad',
    summary: 'Take in images from an archive: tar, plain or compressed, of Docker or OCI layout',
    query: { quiet: flag('Without progress', { missing: true }), platform: ONE_PLATFORM },
    answers: { 200: json('What was loaded, one message after the other; the last may be an error', CreateImageInfo) },
    refusals: [404],
    async handler({ query, version, input, signal }, reply) {
      const platform = platformSince('1.48', version, query.platform);
      const progress = new ProgressStream(reply);
      try {
        await images.load(upload(input), {
          platform,
          signal,
          onMessage: (line) => progress.text(line),
          onProgress: query.quiet ? () => {} : layerProgress(progress, 'Loading layer'),
        });
        progress.end();
      } catch (error) {
        progress.fail(error);
      }
    },
  });
}

function saveRoutes(images: Images): Route[] {
  return [
    route({
      method: 'GET',
      path: '/images/get',
      operationId: 'ImageGetAll',
      summary: 'Several images as one archive',
      query: { names: list('Names or IDs of the images'), platform: ONE_PLATFORM },
      answers: { 200: bytes('The archive', TAR) },
      refusals: [404],
      async handler({ query, version, signal }, reply) {
        const platform = platformSince('1.48', version, query.platform);
        await sendArchive(images.save(query.names, platform), reply, signal);
      },
    }),
    route({
      method: 'GET',
      path: '/images/:name*/get',
      operationId: 'ImageGet',
      summary: 'An image as an archive',
      query: { platform: ONE_PLATFORM },
      answers: { 200: bytes('The archive', TAR) },
      refusals: [404],
      async handler({ params, query, version, signal }, reply) {
        const platform = platformSince('1.48', version, query.platform);
        await sendArchive(images.save([params.name!], platform), reply, signal);
      },
    }),
  ];
}

/** Sends a tar; a client that goes away before its end wants no more of it. */
export async function sendArchive(
  tar: Readable,
  reply: ApiReply,
  signal: AbortSignal,
  headers: Record<string, string> = { 'Content-Type': TAR },
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

async function createImage(
  images: Images,
  query: QueryValues<typeof CREATE>,
  input: Readable,
  signal: AbortSignal,
  reply: ApiReply,
): Promise<void> {
  const { fromImage, fromSrc: source, tag } = query;
  if (fromImage !== '') {
    const name = tag === '' ? fromImage : `${fromImage}${tag.includes(':') ? '@' : ':'}${tag}`;
    throw notSupportedYet(`pulling ${name} from a registry`);
  }
  if (source === '') throw new GantryError('invalid_parameter', 'one of fromImage and fromSrc must be given');
  const progress = new ProgressStream(reply);
  try {
    const tar = source === '-' ? upload(input) : await download(source, progress, signal);
    const id = await images.import(tar, {
      ...query,
      message: query.message || `Imported from ${source}`,
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
