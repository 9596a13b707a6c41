import { type Static, Type } from 'typebox';
import { GantryError, notSupportedYet } from '../../api/errors.ts';
import {
  ContainerConfig,
  HostConfig,
  NetworkingConfig,
  Resources,
  RestartPolicy,
} from '../../api/schemas/container.ts';
import type { Containers } from '../../engine/containers/containers.ts';
import type { ApiRequest, Route } from '../contract.ts';
import { containerIoRoutes } from './containers-io.ts';

const CreateBody = Type.Intersect([
  ContainerConfig,
  Type.Object({
    HostConfig: Type.Optional(HostConfig),
    NetworkingConfig: Type.Optional(NetworkingConfig),
  }),
]);

const UpdateBody = Type.Intersect([Resources, Type.Object({ RestartPolicy: Type.Optional(RestartPolicy) })]);

/** The Engine API's Container tag, but for logs, changes, export and archives. */
export function containerRoutes(containers: Containers): Route[] {
  return [...listRoutes(containers), ...lifecycleRoutes(containers), ...containerIoRoutes(containers)];
}

function listRoutes(containers: Containers): Route[] {
  return [
    {
      method: 'GET',
      path: '/containers/json',
      operationId: 'ContainerList',
      async handler({ query, version }, reply) {
        const filters = query.filters();
        const limit = query.int('limit') ?? 0;
        reply.json(
          200,
          await containers.list({
            all: query.bool('all'),
            limit: Math.max(0, limit),
            size: query.bool('size'),
            filters,
            apiVersion: version.toString(),
          }),
        );
      },
    },
    {
      method: 'POST',
      path: '/containers/create',
      operationId: 'ContainerCreate',
      body: CreateBody,
      async handler(request: ApiRequest<Static<typeof CreateBody>>, reply) {
        const { query, version, body } = request;
        const platform = version.lessThan('1.41') ? '' : query.string('platform');
        const request_ = { name: query.string('name'), platform, body, apiVersion: version.toString() };
        reply.json(201, await containers.create(request_));
      },
    },
    {
      method: 'GET',
      path: '/containers/:id/json',
      operationId: 'ContainerInspect',
      async handler({ params, query }, reply) {
        const container = containers.resolve(params.id!);
        reply.json(200, await containers.inspect(container, { size: query.bool('size') }));
      },
    },
    {
      method: 'GET',
      path: '/containers/:id/top',
      operationId: 'ContainerTop',
      async handler({ params, query }, reply) {
        reply.json(200, await containers.top(containers.resolve(params.id!), query.string('ps_args')));
      },
    },
    {
      method: 'POST',
      path: '/containers/prune',
      operationId: 'ContainerPrune',
      async handler({ query }, reply) {
        reply.json(200, await containers.prune(query.filters()));
      },
    },
    {
      method: 'DELETE',
      path: '/containers/:id',
      operationId: 'ContainerDelete',
      async handler({ params, query }, reply) {
        const options = { force: query.bool('force'), volumes: query.bool('v'), link: query.bool('link') };
        await containers.remove(containers.resolve(params.id!), options, params.id!);
        reply.empty(204);
      },
    },
  ];
}

function lifecycleRoutes(containers: Containers): Route[] {
  /** POST /containers/:id/<action> answered with 204. */
  const action = (name: string, operationId: string, work: (request: ApiRequest) => Promise<void>): Route => ({
    method: 'POST',
    path: `/containers/:id/${name}`,
    operationId,
    async handler(request, reply) {
      await work(request);
      reply.empty(204);
    },
  });
  const stopOptions = ({ query, version }: ApiRequest) => ({
    signal: version.lessThan('1.42') ? '' : query.string('signal'),
    timeout: query.string('t') === '' ? null : query.int('t'),
  });
  return [
    action('start', 'ContainerStart', async ({ params, query, headers }) => {
      if (Number(headers['content-length'] ?? 0) > 7 || headers['transfer-encoding'] !== undefined) {
        throw new GantryError(
          'invalid_parameter',
          'starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24',
        );
      }
      if (query.string('checkpoint') !== '' || query.string('checkpoint-dir') !== '') {
        throw notSupportedYet('starting from a checkpoint');
      }
      await containers.start(containers.resolve(params.id!));
    }),
    action('stop', 'ContainerStop', (request) =>
      containers.stop(containers.resolve(request.params.id!), stopOptions(request)),
    ),
    action('restart', 'ContainerRestart', (request) =>
      containers.restart(containers.resolve(request.params.id!), stopOptions(request)),
    ),
    action('kill', 'ContainerKill', async ({ params, query }) => {
      try {
        await containers.kill(containers.resolve(params.id!), query.string('signal'));
      } catch (error) {
        if (!(error instanceof GantryError)) throw error;
        throw new GantryError(error.code, `cannot kill container: ${params.id}: ${error.message}`, { cause: error });
      }
    }),
    action('pause', 'ContainerPause', ({ params }) => containers.pause(containers.resolve(params.id!))),
    action('unpause', 'ContainerUnpause', ({ params }) => containers.unpause(containers.resolve(params.id!))),
    action('rename', 'ContainerRename', ({ params, query }) =>
      containers.rename(containers.resolve(params.id!), query.string('name')),
    ),
    {
      method: 'POST',
      path: '/containers/:id/update',
      operationId: 'ContainerUpdate',
      body: UpdateBody,
      async handler(request: ApiRequest<Static<typeof UpdateBody>>, reply) {
        const { body, params, version } = request;
        if (version.lessThan('1.40')) delete body.PidsLimit;
        // 0 and all negative numbers take the limit away.
        if (body.PidsLimit != null && body.PidsLimit <= 0) body.PidsLimit = 0;
        const warnings = await containers.update(containers.resolve(params.id!), body);
        reply.json(200, { Warnings: warnings.length > 0 ? warnings : null });
      },
    },
  ];
}
