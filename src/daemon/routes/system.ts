import { notSupportedYet } from '../../api/errors.ts';
import type { Containers } from '../../engine/containers/containers.ts';
import type { EngineContext } from '../../engine/context.ts';
import type { Images } from '../../engine/images/images.ts';
import { diskUsage } from '../../engine/system/disk-usage.ts';
import { systemInfo } from '../../engine/system/info.ts';
import { type Product, type Programs, programVersions, systemVersion } from '../../engine/system/version.ts';
import type { Volumes } from '../../engine/volumes/volumes.ts';
import type { HostFacts } from '../../runtime/spec/host-facts.ts';
import type { Route } from '../contract.ts';

export interface SystemRoutesDeps {
  context: EngineContext;
  host: HostFacts;
  containers: Containers;
  images: Images;
  volumes: Volumes;
  logDrivers: string[];
  product: Product;
}

/** The Engine API's System tag but for events and pings. */
export function systemRoutes(deps: SystemRoutesDeps): Route[] {
  // The runtimes can change at a reload: asked again when the default is another one.
  let asked: { runtime: string; programs: Promise<Programs> } | null = null;
  const programs = (): Promise<Programs> => {
    const runtime = deps.context.settings.defaultRuntime;
    if (asked?.runtime !== runtime) asked = { runtime, programs: programVersions(deps.context) };
    return asked.programs;
  };
  return [
    {
      method: 'GET',
      path: '/version',
      operationId: 'SystemVersion',
      async handler(_request, reply) {
        reply.json(200, systemVersion(deps.context, deps.product, await programs()));
      },
    },
    {
      method: 'GET',
      path: '/info',
      operationId: 'SystemInfo',
      async handler(_request, reply) {
        const { context, host, containers, images, logDrivers, product } = deps;
        const { runtime, init } = await programs();
        reply.json(
          200,
          systemInfo({
            context,
            host,
            containers: () => containers.records(),
            imageCount: () => images.all().length,
            logDrivers: () => logDrivers,
            version: product.version,
            programs: { runtime, init },
          }),
        );
      },
    },
    {
      method: 'GET',
      path: '/system/df',
      operationId: 'SystemDataUsage',
      async handler(request, reply) {
        reply.json(200, await diskUsage(deps, request.query.strings('type')));
      },
    },
    {
      method: 'POST',
      path: '/auth',
      operationId: 'SystemAuth',
      async handler() {
        throw notSupportedYet('logging in to a registry', 'load images with `load` or `import`');
      },
    },
  ];
}
