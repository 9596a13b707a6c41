/** Shapes of image objects that older API versions have (Engine API, version history). */
import type { ImageInspect, ImageSummary } from '../../api/schemas/image.ts';
import { EMPTY_CONFIG } from '../../engine/empty-config.ts';
import type { ApiVersion } from '../contract.ts';

export function legacySummary(summary: ImageSummary, version: ApiVersion): object {
  let result: object = summary;
  if (version.lessThan('1.44')) result = { ...result, VirtualSize: summary.Size };
  if (version.lessThan('1.43') && summary.RepoTags?.length === 0 && summary.RepoDigests?.length === 0) {
    result = { ...result, RepoTags: ['<none>:<none>'], RepoDigests: ['<none>@<none>'] };
  }
  return result;
}

/**
 * docker-compose 1.x asks for the newest version there is, but reads what only versions up to 1.44 have: it cannot make a container anew
 * on an engine that keeps to the letter.
 */
const NEEDS_CONTAINER_CONFIG = /^docker-compose\/1\./;

export function legacyImage(image: ImageInspect, version: ApiVersion, userAgent = ''): object {
  let result: object = image;
  // Which container an image was made of was told up to 1.44; no image here has one.
  if (version.lessThan('1.45') || NEEDS_CONTAINER_CONFIG.test(userAgent))
    result = { ...result, Container: '', ContainerConfig: EMPTY_CONFIG };
  // Before 1.50 all members were there, whether they said something or not.
  if (version.lessThan('1.50')) result = { ...result, Config: { ...EMPTY_CONFIG, ...image.Config } };
  if (version.lessThan('1.44')) {
    result = { ...result, VirtualSize: image.Size, Created: image.Created ?? '0001-01-01T00:00:00Z' };
  }
  return result;
}
