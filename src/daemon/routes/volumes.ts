import { GantryError } from '../../api/errors.ts';
import { type VolumeCreateOptions, VolumeCreateOptions as VolumeCreateSchema } from '../../api/schemas/volume.ts';
import type { Volumes } from '../../engine/volumes/volumes.ts';
import type { ApiRequest, Route } from '../contract.ts';

/** The Engine API's Volume tag. */
export function volumeRoutes(volumes: Volumes): Route[] {
  return [
    {
      method: 'GET',
      path: '/volumes',
      operationId: 'VolumeList',
      async handler(request, reply) {
        reply.json(200, { Volumes: volumes.list(request.query.filters()), Warnings: null });
      },
    },
    {
      method: 'POST',
      path: '/volumes/create',
      operationId: 'VolumeCreate',
      body: VolumeCreateSchema,
      async handler(request: ApiRequest<VolumeCreateOptions>, reply) {
        reply.json(201, volumes.create(request.body));
      },
    },
    {
      method: 'POST',
      path: '/volumes/prune',
      operationId: 'VolumePrune',
      async handler(request, reply) {
        // Before 1.42 prune took named volumes too.
        const allByDefault = request.version.lessThan('1.42');
        const { deleted, bytes } = await volumes.prune(request.query.filters(), { allByDefault });
        reply.json(200, { VolumesDeleted: deleted, SpaceReclaimed: bytes });
      },
    },
    {
      method: 'GET',
      path: '/volumes/:name',
      operationId: 'VolumeInspect',
      async handler(request, reply) {
        reply.json(200, volumes.inspect(request.params.name!));
      },
    },
    {
      method: 'PUT',
      path: '/volumes/:name',
      operationId: 'VolumeUpdate',
      async handler() {
        throw new GantryError(
          'unavailable',
          'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.',
        );
      },
    },
    {
      method: 'DELETE',
      path: '/volumes/:name',
      operationId: 'VolumeDelete',
      async handler(request, reply) {
        await volumes.remove(request.params.name!, request.query.bool('force'));
        reply.empty(204);
      },
    },
  ];
}
