import { Type } from 'typebox';
import { GantryError } from '../../api/errors.ts';
import {
  ContainerConfig,
  ContainerCreateResponse,
  ContainerInspectResponse,
  ContainerPruneResponse,
  ContainerSummary,
  ContainerTopResponse,
  ContainerUpdateResponse,
  NetworkingConfig,
} from '../../api/schemas/container.ts';
import { HostConfig, PortMap, Resources, RestartPolicy } from '../../api/schemas/host-config.ts';
import type { Containers } from '../../engine/containers/containers.ts';
import { CONTAINER_PRUNE_FILTERS } from '../../engine/containers/list.ts';
import { CONTAINER_FILTERS } from '../../engine/containers/list-filter.ts';
import { legacyContainer } from '../compat/containers.ts';
import { adaptCreate } from '../compat/create.ts';
import { type Route, route } from '../contract.ts';
import { empty, json } from '../http/answers.ts';
import { filters, flag, number, text } from '../http/parameters.ts';
import { containerIoRoutes } from './containers-io.ts';
import { containerStateRoutes } from './containers-state.ts';
import { DRY_RUN, pruneOptions } from './dry-run.ts';

const CreateBody = Type.Intersect([
  ContainerConfig,
  Type.Object({
    HostConfig: Type.Optional(HostConfig),
    NetworkingConfig: Type.Optional(NetworkingConfig),
  }),
]);

const UpdateBody = Type.Intersect([
  Resources,
  Type.Object({
    RestartPolicy: Type.Optional(RestartPolicy),
    PublishAdd: Type.Optional({
      ...PortMap,
      description: 'Of Gantry, not of Docker: ports to publish beside those that are, as in HostConfig.PortBindings',
    }),
    PublishRemove: Type.Optional({
      ...PortMap,
      description:
        'Of Gantry, not of Docker: ports to take back, before others are published. What is left empty stands for any',
    }),
  }),
]);

/** The Engine API's Container tag, but for logs, changes, export and archives. */
export function containerRoutes(containers: Containers): Route[] {
  return [
    ...viewRoutes(containers),
    ...changeRoutes(containers),
    ...containerStateRoutes(containers),
    ...containerIoRoutes(containers),
  ];
}

function viewRoutes(containers: Containers): Route[] {
  return [
    route({
      method: 'GET',
      path: '/containers/json',
      operationId: 'ContainerList',
      summary: 'Containers, newest first',
      query: {
        all: flag('Those too that do not run'),
        limit: number('The newest so many, whether they run or not'),
        size: flag('With sizes, which are read from disk'),
        filters: filters('Which containers', CONTAINER_FILTERS),
      },
      answers: { 200: json('The containers', Type.Array(ContainerSummary)) },
      refusals: [404],
      async handler({ query, version }, reply) {
        const limit = Math.max(0, query.limit ?? 0);
        const found = await containers.list({ ...query, limit });
        reply.json(
          200,
          found.map((summary) => legacyContainer(summary, version)),
        );
      },
    }),
    route({
      method: 'GET',
      path: '/containers/:id*/json',
      operationId: 'ContainerInspect',
      summary: 'All about a container',
      query: { size: flag('With sizes, which are read from disk') },
      answers: { 200: json('The container', ContainerInspectResponse) },
      refusals: [404],
      async handler({ params, query }, reply) {
        reply.json(200, await containers.inspect(containers.resolve(params.id!), query));
      },
    }),
    route({
      method: 'GET',
      path: '/containers/:id*/top',
      operationId: 'ContainerTop',
      summary: "A container's processes",
      query: { ps_args: text('Options of ps(1)', { missing: '-ef' }) },
      answers: { 200: json('The columns and rows of ps', ContainerTopResponse) },
      refusals: [404, 409],
      async handler({ params, query }, reply) {
        reply.json(200, await containers.top(containers.resolve(params.id!), query.ps_args));
      },
    }),
  ];
}

function changeRoutes(containers: Containers): Route[] {
  return [
    route({
      method: 'POST',
      path: '/containers/create',
      operationId: 'ContainerCreate',
      summary: 'Make a container',
      query: {
        name: text('Its name; one is made up for none'),
        platform: text('os[/arch[/variant]] that the image must have'),
      },
      body: CreateBody,
      answers: { 201: json('It is there', ContainerCreateResponse) },
      refusals: [404, 409],
      async handler({ query, version, body }, reply) {
        if (Object.keys(body).every((key) => ['HostConfig', 'NetworkingConfig'].includes(key))) {
          throw new GantryError('invalid_parameter', 'config cannot be empty in order to create a container');
        }
        const warnings = adaptCreate(body, version);
        const { Id, Warnings } = await containers.create({
          name: query.name,
          platform: version.lessThan('1.41') ? '' : query.platform,
          body,
          hostCgroupns: version.lessThan('1.41'),
          flatReadOnly: version.lessThan('1.44'),
        });
        reply.json(201, { Id, Warnings: [...Warnings, ...warnings] });
      },
    }),
    route({
      method: 'POST',
      path: '/containers/:id*/update',
      operationId: 'ContainerUpdate',
      summary: "Change a container's limits, restart policy and published ports",
      body: UpdateBody,
      answers: { 200: json('They are changed', ContainerUpdateResponse) },
      refusals: [404, 409],
      async handler({ body, params, version }, reply) {
        if (version.lessThan('1.40')) delete body.PidsLimit;
        // 0 and all negative numbers take the limit away.
        if (body.PidsLimit != null && body.PidsLimit <= 0) body.PidsLimit = 0;
        const warnings = await containers.update(containers.resolve(params.id!), body);
        reply.json(200, { Warnings: warnings.length > 0 ? warnings : null });
      },
    }),
    route({
      method: 'POST',
      path: '/containers/:id*/rename',
      operationId: 'ContainerRename',
      summary: 'Give a container another name',
      query: { name: text('The new name') },
      answers: { 204: empty('It has that name') },
      refusals: [404, 409],
      async handler({ params, query }, reply) {
        await containers.rename(containers.resolve(params.id!), query.name);
        reply.empty(204);
      },
    }),
    route({
      method: 'DELETE',
      path: '/containers/:id*',
      operationId: 'ContainerDelete',
      summary: 'Remove a container',
      query: {
        v: flag('Its anonymous volumes too'),
        force: flag('Kill it first when it runs'),
        link: flag('Remove the link of that name instead'),
      },
      answers: { 204: empty('It is gone') },
      refusals: [404, 409],
      async handler({ params, query }, reply) {
        const options = { force: query.force, volumes: query.v, link: query.link };
        await containers.remove(containers.resolve(params.id!), options, params.id!);
        reply.empty(204);
      },
    }),
    route({
      method: 'POST',
      path: '/containers/prune',
      operationId: 'ContainerPrune',
      summary: 'Remove containers that do not run',
      query: { filters: filters('Which of them', CONTAINER_PRUNE_FILTERS), ...DRY_RUN },
      answers: { 200: json('What was removed', ContainerPruneResponse) },
      async handler({ query }, reply) {
        reply.json(200, await containers.prune(query.filters, pruneOptions(query)));
      },
    }),
  ];
}
