import { GantryError } from '../../api/errors.ts';
import { Volume, VolumeCreateOptions, VolumeListResponse, VolumePruneResponse } from '../../api/schemas/volume.ts';
import { VOLUME_PRUNE_FILTERS } from '../../engine/volumes/volume-prune.ts';
import { VOLUME_FILTERS, type Volumes } from '../../engine/volumes/volumes.ts';
import { type Route, route } from '../contract.ts';
import { bytes, empty, json, TAR } from '../http/answers.ts';
import { filters, flag, text } from '../http/parameters.ts';
import { upload } from '../upload.ts';
import { DRY_RUN, pruneOptions } from './dry-run.ts';
import { sendArchive } from './images-streams.ts';

/** The Engine API's Volume tag. */
export function volumeRoutes(volumes: Volumes): Route[] {
  return [...viewRoutes(volumes), ...changeRoutes(volumes), ...ownRoutes(volumes)];
}

function viewRoutes(volumes: Volumes): Route[] {
  return [
    route({
      method: 'GET',
      path: '/volumes',
      operationId: 'VolumeList',
      summary: 'Volumes by name',
      query: { filters: filters('Which volumes', VOLUME_FILTERS) },
      answers: { 200: json('The volumes', VolumeListResponse) },
      async handler({ query }, reply) {
        const found = await volumes.list(query.filters);
        reply.json(200, { Volumes: found.volumes, Warnings: found.warnings.length === 0 ? null : found.warnings });
      },
    }),
    route({
      method: 'GET',
      path: '/volumes/:name',
      operationId: 'VolumeInspect',
      summary: 'All about a volume',
      answers: { 200: json('The volume', Volume) },
      refusals: [404],
      async handler({ params }, reply) {
        reply.json(200, await volumes.inspect(params.name!));
      },
    }),
  ];
}

function changeRoutes(volumes: Volumes): Route[] {
  return [
    route({
      method: 'POST',
      path: '/volumes/create',
      operationId: 'VolumeCreate',
      summary: 'Make a volume, or give the one of that name',
      body: VolumeCreateOptions,
      answers: { 201: json('The volume', Volume) },
      refusals: [404, 409, 503],
      async handler({ body, version }, reply) {
        // Older clients know nothing of a cluster's volumes; dockerd passes over the field.
        if (version.lessThan('1.42')) delete body.ClusterVolumeSpec;
        reply.json(201, await volumes.create(body));
      },
    }),
    route({
      method: 'POST',
      path: '/volumes/prune',
      operationId: 'VolumePrune',
      summary: 'Remove volumes that no container uses',
      query: {
        filters: filters('Which of them; anonymous ones alone without all=true', VOLUME_PRUNE_FILTERS),
        ...DRY_RUN,
      },
      answers: { 200: json('What was removed', VolumePruneResponse) },
      async handler({ query, version }, reply) {
        // Before 1.42 prune took named volumes too.
        const allByDefault = version.lessThan('1.42');
        const { deleted, bytes } = await volumes.prune(query.filters, { allByDefault, ...pruneOptions(query) });
        reply.json(200, { VolumesDeleted: deleted, SpaceReclaimed: bytes });
      },
    }),
    route({
      method: 'PUT',
      path: '/volumes/:name',
      operationId: 'VolumeUpdate',
      summary: 'Change a volume of a cluster: refused outside of a swarm',
      answers: {},
      refusals: [503],
      async handler() {
        throw new GantryError('unavailable', 'volume update only valid for cluster volumes, but swarm is unavailable');
      },
    }),
    route({
      method: 'DELETE',
      path: '/volumes/:name',
      operationId: 'VolumeDelete',
      summary: 'Remove a volume and what is in it',
      query: { force: flag('No error for one that is not there') },
      answers: { 204: empty('It is gone') },
      refusals: [404, 409],
      async handler({ params, query }, reply) {
        await volumes.remove(params.name!, query.force);
        reply.empty(204);
      },
    }),
  ];
}

/** Operations that Docker's API does not have. */
function ownRoutes(volumes: Volumes): Route[] {
  return [
    route({
      method: 'GET',
      path: '/volumes/:name/backup',
      operationId: 'GantryVolumeBackup',
      summary: 'The content of a volume, in use or not, as a tar that ends with its checksum',
      answers: { 200: bytes('The tar', TAR) },
      refusals: [404],
      async handler({ params, signal }, reply) {
        await sendArchive(await volumes.backup(params.name!), reply, signal);
      },
    }),
    route({
      method: 'POST',
      path: '/volumes/:name/restore',
      operationId: 'GantryVolumeRestore',
      summary: 'Fill a volume with a backup whose checksum is right; a missing one is made',
      query: { force: flag('Replace what is in the volume') },
      answers: { 200: json('The volume', Volume) },
      refusals: [409],
      async handler({ params, query, input }, reply) {
        reply.json(200, await volumes.restore(params.name!, upload(input), { replace: query.force }));
      },
    }),
    route({
      method: 'POST',
      path: '/volumes/:name/rename',
      operationId: 'GantryVolumeRename',
      summary: 'Give a volume that no container uses another name',
      query: { name: text('The new name') },
      answers: { 204: empty('It has the new name') },
      refusals: [404, 409, 501],
      async handler({ params, query }, reply) {
        await volumes.rename(params.name!, query.name);
        reply.empty(204);
      },
    }),
  ];
}
