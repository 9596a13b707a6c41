import { GantryError, notSupportedYet } from '../../api/errors.ts';
import type { NetworkCatalog } from '../../engine/system/networks.ts';
import type { Route } from '../contract.ts';

const READ_ONLY = "containers are on the default bridge, on the host network, on none, or share another container's";

/** The Engine API's Network tag as far as the built-in networks go; what makes or changes networks is refused. */
export function networkRoutes(networks: NetworkCatalog): Route[] {
  const refuse = (what: string) => notSupportedYet(what, READ_ONLY);
  return [
    {
      method: 'GET',
      path: '/networks',
      operationId: 'NetworkList',
      async handler(request, reply) {
        reply.json(200, networks.list(request.query.filters()));
      },
    },
    {
      method: 'GET',
      path: '/networks/:id',
      operationId: 'NetworkInspect',
      async handler(request, reply) {
        reply.json(200, networks.inspect(request.params.id!));
      },
    },
    {
      method: 'DELETE',
      path: '/networks/:id',
      operationId: 'NetworkDelete',
      async handler(request) {
        const { Name } = networks.inspect(request.params.id!);
        throw new GantryError('forbidden', `${Name} is a pre-defined network and cannot be removed`);
      },
    },
    {
      method: 'POST',
      path: '/networks/create',
      operationId: 'NetworkCreate',
      async handler() {
        throw refuse('creating a network');
      },
    },
    {
      method: 'POST',
      path: '/networks/:id/connect',
      operationId: 'NetworkConnect',
      async handler(request) {
        networks.inspect(request.params.id!);
        throw refuse('connecting a container to a network');
      },
    },
    {
      method: 'POST',
      path: '/networks/:id/disconnect',
      operationId: 'NetworkDisconnect',
      async handler(request) {
        networks.inspect(request.params.id!);
        throw refuse('disconnecting a container from a network');
      },
    },
    {
      method: 'POST',
      path: '/networks/prune',
      operationId: 'NetworkPrune',
      async handler(request, reply) {
        request.query.filters().accept(['label', 'label!', 'until']);
        // The built-in networks are never pruned, and there are no others.
        reply.json(200, { NetworksDeleted: null });
      },
    },
  ];
}
