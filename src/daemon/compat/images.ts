/** Shapes of image objects that older API versions have (Engine API, version history). */
import type { ImageInspect, ImageSummary } from '../../api/schemas/image.ts';
import type { ApiVersion } from '../contract.ts';

export function legacySummary(summary: ImageSummary, version: ApiVersion): object {
  let result: object = summary;
  if (version.lessThan('1.44')) result = { ...result, VirtualSize: summary.Size };
  if (version.lessThan('1.43') && summary.RepoTags?.length === 0 && summary.RepoDigests?.length === 0) {
    result = { ...result, RepoTags: ['<none>:<none>'], RepoDigests: ['<none>@<none>'] };
  }
  return result;
}

/** Members of Config that were always there before 1.50, whether they said something or not. */
const ALWAYS_THERE = {
  Hostname: '',
  Domainname: '',
  User: '',
  AttachStdin: false,
  AttachStdout: false,
  AttachStderr: false,
  Tty: false,
  OpenStdin: false,
  StdinOnce: false,
  Env: null,
  Cmd: null,
  Image: '',
  Volumes: null,
  WorkingDir: '',
  Entrypoint: null,
  OnBuild: null,
  Labels: null,
};

export function legacyImage(image: ImageInspect, version: ApiVersion): object {
  let result: object = image;
  // Which container an image was made of was told up to 1.44; no image here has one.
  if (version.lessThan('1.45')) result = { ...result, Container: '', ContainerConfig: ALWAYS_THERE };
  if (version.lessThan('1.50')) result = { ...result, Config: { ...ALWAYS_THERE, ...image.Config } };
  if (version.lessThan('1.44')) {
    result = { ...result, VirtualSize: image.Size, Created: image.Created ?? '0001-01-01T00:00:00Z' };
  }
  return result;
}
