/** Pulling an image through the API. */

import type { Client } from '../../api/client/client.ts';
import { fullName } from '../container/reference.ts';
import type { Output } from '../io.ts';
import { showProgress } from './progress.ts';

/** Pulls; progress goes to `output` when there is one. Resolves with the full name ("docker.io/library/busybox:latest"). */
export async function pullImage(
  client: Client,
  image: string,
  platform: string,
  output: Output | undefined,
  allTags = false,
): Promise<string> {
  const digest = image.indexOf('@');
  const colon = /:([^/:]*)$/.exec(digest < 0 ? image : '');
  const name = digest >= 0 ? image.slice(0, digest) : colon ? image.slice(0, colon.index) : image;
  const tag = digest >= 0 ? image.slice(digest + 1) : (colon?.[1] ?? (allTags ? '' : 'latest'));
  const response = await client.request('POST', '/images/create', {
    query: { fromImage: name, tag: tag || undefined, platform: platform || undefined },
  });
  await showProgress(response, output);
  const full = fullName(name);
  return tag === '' ? full : `${full}${digest >= 0 ? '@' : ':'}${tag}`;
}
