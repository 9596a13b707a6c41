import { GantryError } from '../../api/errors.ts';
import type { Containers } from '../../engine/containers/containers.ts';
import type { FilesOfContainers, PathStat } from '../../engine/containers/files.ts';
import type { Query, Route } from '../contract.ts';
import { upload } from '../upload.ts';
import { sendArchive } from './images-streams.ts';

/** A container's files: copy in and out, export, changes. */
export function archiveRoutes(containers: Containers, files: FilesOfContainers): Route[] {
  return [
    {
      method: 'HEAD',
      path: '/containers/:id/archive',
      operationId: 'ContainerArchiveInfo',
      async handler({ params, query }, reply) {
        const stat = await files.stat(containers.resolve(params.id!), pathOf(query));
        reply.empty(200, { ...statHeader(stat), 'Content-Length': '0' });
      },
    },
    {
      method: 'GET',
      path: '/containers/:id/archive',
      operationId: 'ContainerArchive',
      async handler({ params, query, signal }, reply) {
        const { stat, tar } = await files.get(containers.resolve(params.id!), pathOf(query));
        await sendArchive(tar, reply, signal, { 'Content-Type': 'application/x-tar', ...statHeader(stat) });
      },
    },
    {
      method: 'PUT',
      path: '/containers/:id/archive',
      operationId: 'PutContainerArchive',
      async handler({ params, query, input }, reply) {
        await files.put(containers.resolve(params.id!), pathOf(query), upload(input), {
          noOverwriteDirNonDir: query.bool('noOverwriteDirNonDir'),
          copyOwner: query.bool('copyUIDGID'),
        });
        reply.empty(200);
      },
    },
    {
      method: 'GET',
      path: '/containers/:id/export',
      operationId: 'ContainerExport',
      async handler({ params, signal }, reply) {
        const tar = files.export(containers.resolve(params.id!));
        await sendArchive(tar, reply, signal, { 'Content-Type': 'application/octet-stream' });
      },
    },
    {
      method: 'GET',
      path: '/containers/:id/changes',
      operationId: 'ContainerChanges',
      async handler({ params }, reply) {
        const changes = await files.changes(containers.resolve(params.id!));
        const list = changes.map(({ path, kind }) => ({ Path: path, Kind: kind }));
        reply.json(200, list.length === 0 ? null : list);
      },
    },
  ];
}

function pathOf(query: Query): string {
  const path = query.string('path');
  if (path === '') throw new GantryError('invalid_parameter', 'bad parameter: path cannot be empty');
  return path;
}

function statHeader(stat: PathStat): Record<string, string> {
  return { 'X-Docker-Container-Path-Stat': Buffer.from(JSON.stringify(stat)).toString('base64') };
}
