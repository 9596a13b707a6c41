import { Type } from 'typebox';
import { GantryError, notSupportedYet } from '../../api/errors.ts';
import { EndpointSettings } from '../../api/schemas/container.ts';
import { Network, NetworkCreateRequest, NetworkPruneResponse } from '../../api/schemas/network.ts';
import { NETWORK_FILTERS, NETWORK_PRUNE_FILTERS, type NetworkCatalog } from '../../engine/system/networks.ts';
import { type Route, route } from '../contract.ts';
import { json } from '../http/answers.ts';
import { filters, flag, text } from '../http/parameters.ts';

const READ_ONLY = "containers are on the default bridge, on the host network, on none, or share another container's";

const ConnectBody = Type.Object({
  Container: Type.Optional(Type.String()),
  EndpointConfig: Type.Optional(EndpointSettings),
});

const DisconnectBody = Type.Object({
  Container: Type.Optional(Type.String()),
  Force: Type.Optional(Type.Boolean()),
});

/** The Engine API's Network tag as far as the built-in networks go; what makes or changes networks is refused. */
export function networkRoutes(networks: NetworkCatalog): Route[] {
  return [...viewRoutes(networks), ...removeRoutes(networks), ...laterRoutes(networks)];
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
        verbose: flag("Of no effect outside of a swarm: a service's tasks too"),
        scope: text('The scope it must have'),
      },
      answers: { 200: json('The network', Network) },
      refusals: [404],
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

function removeRoutes(networks: NetworkCatalog): Route[] {
  return [
    route({
      method: 'DELETE',
      path: '/networks/:id',
      operationId: 'NetworkDelete',
      summary: 'Remove a network: refused for those that are built in, and there are no others',
      answers: {},
      refusals: [403, 404],
      async handler({ params }) {
        const { Name } = networks.inspect(params.id!);
        throw new GantryError('forbidden', `${Name} is a pre-defined network and cannot be removed`);
      },
    }),
    route({
      method: 'POST',
      path: '/networks/prune',
      operationId: 'NetworkPrune',
      summary: 'Remove networks that no container is on; those that are built in stay',
      query: { filters: filters('Which of them', NETWORK_PRUNE_FILTERS) },
      answers: { 200: json('What was removed', NetworkPruneResponse) },
      async handler({ query }, reply) {
        reply.json(200, networks.prune(query.filters));
      },
    }),
  ];
}

function laterRoutes(networks: NetworkCatalog): Route[] {
  const refuse = (what: string) => notSupportedYet(what, READ_ONLY);
  return [
    route({
      method: 'POST',
      path: '/networks/create',
      operationId: 'NetworkCreate',
      summary: 'Not supported yet: make a network',
      body: NetworkCreateRequest,
      answers: {},
      refusals: [501],
      async handler() {
        throw refuse('creating a network');
      },
    }),
    route({
      method: 'POST',
      path: '/networks/:id/connect',
      operationId: 'NetworkConnect',
      summary: 'Not supported yet: put a container on a network',
      body: ConnectBody,
      answers: {},
      refusals: [404, 501],
      async handler({ params }) {
        networks.inspect(params.id!);
        throw refuse('connecting a container to a network');
      },
    }),
    route({
      method: 'POST',
      path: '/networks/:id/disconnect',
      operationId: 'NetworkDisconnect',
      summary: 'Not supported yet: take a container off a network',
      body: DisconnectBody,
      answers: {},
      refusals: [404, 501],
      async handler({ params }) {
        networks.inspect(params.id!);
        throw refuse('disconnecting a container from a network');
      },
    }),
  ];
}
