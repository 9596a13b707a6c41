import { notSupportedYet } from '../../api/errors.ts';
import { AuthConfig, SystemDataUsage, SystemInfo, SystemVersion } from '../../api/schemas/system.ts';
import type { Containers } from '../../engine/containers/containers.ts';
import type { EngineContext } from '../../engine/context.ts';
import type { Images } from '../../engine/images/images.ts';
import { diskUsage, USAGE_TYPES } from '../../engine/system/disk-usage.ts';
import { systemInfo } from '../../engine/system/info.ts';
import { type Product, type Programs, programVersions, systemVersion } from '../../engine/system/version.ts';
import type { Volumes } from '../../engine/volumes/volumes.ts';
import type { HostFacts } from '../../runtime/spec/host-facts.ts';
import { legacyInfo } from '../compat/info.ts';
import { type Route, route } from '../contract.ts';
import { json } from '../http/answers.ts';
import { list } from '../http/parameters.ts';

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
    route({
      method: 'GET',
      path: '/version',
      operationId: 'SystemVersion',
      summary: 'Versions of the engine and of what it runs on',
      answers: { 200: json('The versions', SystemVersion) },
      async handler(_request, reply) {
        reply.json(200, systemVersion(deps.context, deps.product, await programs()));
      },
    }),
    route({
      method: 'GET',
      path: '/info',
      operationId: 'SystemInfo',
      summary: 'All about the engine and its host',
      answers: { 200: json('The engine', SystemInfo) },
      async handler({ version }, reply) {
        const { context, host, containers, images, volumes, logDrivers, product } = deps;
        const { runc, init } = await programs();
        const info = systemInfo({
          context,
          host,
          containers: () => containers.records(),
          imageCount: () => images.all().length,
          volumeDrivers: () => volumes.driverNames(),
          logDrivers: () => logDrivers,
          version: product.version,
          programs: { runc, init },
        });
        reply.json(200, legacyInfo(info, version));
      },
    }),
    route({
      method: 'GET',
      path: '/system/df',
      operationId: 'SystemDataUsage',
      summary: 'What takes how much room on the disk',
      query: { type: list('From 1.42: what to count, all for none', { choices: USAGE_TYPES }) },
      answers: { 200: json('What was counted', SystemDataUsage) },
      async handler({ query, version }, reply) {
        const usage = await diskUsage(deps, version.lessThan('1.42') ? [] : query.type);
        reply.json(200, version.lessThan('1.42') ? { ...usage, BuilderSize: 0 } : usage);
      },
    }),
    route({
      method: 'POST',
      path: '/auth',
      operationId: 'SystemAuth',
      summary: 'Not supported yet: log in to a registry',
      body: AuthConfig,
      answers: {},
      refusals: [501],
      async handler() {
        throw notSupportedYet('logging in to a registry', 'load images with `load` or `import`');
      },
    }),
  ];
}
