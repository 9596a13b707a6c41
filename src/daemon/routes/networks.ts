import { Type } from 'typebox';
import { GantryError } from '../../api/errors.ts';
import { EndpointSettings } from '../../api/schemas/container.ts';
import {
  Network,
  NetworkCreateRequest,
  NetworkCreateResponse,
  NetworkPruneResponse,
} from '../../api/schemas/network.ts';
import type { Attachments } from '../../engine/networks/attachments.ts';
import { NETWORK_FILTERS, NETWORK_PRUNE_FILTERS, type NetworkCatalog } from '../../engine/networks/networks.ts';
import { type Route, route } from '../contract.ts';
import { empty, json } from '../http/answers.ts';
import { filters, flag, text } from '../http/parameters.ts';
import { DRY_RUN, pruneOptions } from './dry-run.ts';

const ConnectBody = Type.Object({
  Container: Type.Optional(Type.String()),
  EndpointConfig: Type.Optional(EndpointSettings),
});

const DisconnectBody = Type.Object({
  Container: Type.Optional(Type.String()),
  Force: Type.Optional(Type.Boolean()),
});

/** The Engine API's Network tag. */
export function networkRoutes(networks: NetworkCatalog, attachments: Attachments): Route[] {
  return [...viewRoutes(networks), ...changeRoutes(networks), ...attachmentRoutes(attachments)];
}

function viewRoutes(networks: NetworkCatalog): Route[] {
  return [
    route({
      method: 'GET',
      path: '/networks',
      operationId: 'NetworkList',
      summary: 'Networks, without the containers on them',
      query: { filters: filters('Which networks', NETWORK_FILTERS) },
      answers: { 200: json('The networks', Type.Array(Network)) },
      async handler({ query, version }, reply) {
        const found = networks.list(query.filters);
        // Before 1.28 the list showed what inspect shows.
        reply.json(200, version.lessThan('1.28') ? found.map(({ Id }) => networks.inspect(Id!)) : found);
      },
    }),
    route({
      method: 'GET',
      path: '/networks/:id',
      operationId: 'NetworkInspect',
      summary: 'All about a network',
      query: {
        verbose: flag("Of no effect outside of a swarm: a service's tasks too", { strict: true }),
        scope: text('The scope it must have'),
      },
      answers: { 200: json('The network', Network) },
      refusals: [400, 404],
      async handler({ params, query }, reply) {
        const network = networks.inspect(params.id!);
        if (query.scope !== '' && network.Scope !== query.scope) {
          throw new GantryError('not_found', `network ${params.id} not found`);
        }
        reply.json(200, network);
      },
    }),
  ];
}

function changeRoutes(networks: NetworkCatalog): Route[] {
  return [
    route({
      method: 'POST',
      path: '/networks/create',
      operationId: 'NetworkCreate',
      summary: 'Make a network',
      body: NetworkCreateRequest,
      answers: { 201: json('The ID of the new network', NetworkCreateResponse) },
      refusals: [400, 403, 404, 409],
      async handler({ body }, reply) {
        reply.json(201, await networks.create(body));
      },
    }),
    route({
      method: 'DELETE',
      path: '/networks/:id',
      operationId: 'NetworkDelete',
      summary: 'Remove a network that no running container is on',
      answers: { 204: empty('It is gone') },
      refusals: [400, 403, 404],
      async handler({ params }, reply) {
        await networks.remove(params.id!);
        reply.empty(204);
      },
    }),
    route({
      method: 'POST',
      path: '/networks/prune',
      operationId: 'NetworkPrune',
      summary: 'Remove networks that no container is on; those that are built in stay',
      query: { filters: filters('Which of them', NETWORK_PRUNE_FILTERS), ...DRY_RUN },
      answers: { 200: json('What was removed', NetworkPruneResponse) },
      async handler({ query }, reply) {
        reply.json(200, await networks.prune(query.filters, pruneOptions(query)));
      },
    }),
  ];
}

function attachmentRoutes(attachments: Attachments): Route[] {
  return [
    route({
      method: 'POST',
      path: '/networks/:id/connect',
      operationId: 'NetworkConnect',
      summary: 'Put a container on a network, while it runs or for its next start',
      body: ConnectBody,
      answers: { 200: empty('It is on the network') },
      refusals: [400, 403, 404, 409],
      async handler({ params, body }, reply) {
        await attachments.connect(params.id!, body.Container ?? '', body.EndpointConfig ?? {});
        reply.empty(200);
      },
    }),
    route({
      method: 'POST',
      path: '/networks/:id/disconnect',
      operationId: 'NetworkDisconnect',
      summary: 'Take a container off a network',
      body: DisconnectBody,
      answers: { 200: empty('It is off the network') },
      refusals: [400, 403, 404, 409],
      async handler({ params, body }, reply) {
        await attachments.disconnect(params.id!, body.Container ?? '', body.Force === true);
        reply.empty(200);
      },
    }),
  ];
}
