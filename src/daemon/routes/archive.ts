import { Type } from 'typebox';
import { GantryError } from '../../api/errors.ts';
import { FilesystemChange } from '../../api/schemas/container.ts';
import { Nullable } from '../../api/schemas/nullable.ts';
import type { Containers } from '../../engine/containers/containers.ts';
import type { FilesOfContainers, PathStat } from '../../engine/containers/files.ts';
import { type Route, route } from '../contract.ts';
import { bytes, empty, json, TAR } from '../http/answers.ts';
import { flag, text } from '../http/parameters.ts';
import { upload } from '../upload.ts';
import { sendArchive } from './images-streams.ts';

const STAT_HEADER = 'X-Docker-Container-Path-Stat';
const STAT_HEADERS = { [STAT_HEADER]: 'What the path is: name, size, mode, mtime and linkTarget as JSON, in base64' };

/** A container's files: copy in and out, export, changes. */
export function archiveRoutes(containers: Containers, files: FilesOfContainers): Route[] {
  return [...copyRoutes(containers, files), ...wholeRoutes(containers, files)];
}

function copyRoutes(containers: Containers, files: FilesOfContainers): Route[] {
  return [
    route({
      method: 'HEAD',
      path: '/containers/:id*/archive',
      operationId: 'ContainerArchiveInfo',
      summary: 'What a path in a container is',
      query: { path: text('The path in the container') },
      answers: { 200: empty('The path exists', STAT_HEADERS) },
      refusals: [404],
      async handler({ params, query }, reply) {
        const path = given(query.path);
        const stat = await files.stat(containers.resolve(params.id!), path);
        reply.empty(200, { ...statHeader(stat), 'Content-Length': '0' });
      },
    }),
    route({
      method: 'GET',
      path: '/containers/:id*/archive',
      operationId: 'ContainerArchive',
      summary: 'A file or directory of a container as a tar',
      query: { path: text('The path in the container') },
      answers: { 200: { ...bytes('The tar', TAR), headers: STAT_HEADERS } },
      refusals: [404],
      async handler({ params, query, signal }, reply) {
        const path = given(query.path);
        const { stat, tar } = await files.get(containers.resolve(params.id!), path);
        await sendArchive(tar, reply, signal, { 'Content-Type': TAR, ...statHeader(stat) });
      },
    }),
    route({
      method: 'PUT',
      path: '/containers/:id*/archive',
      operationId: 'PutContainerArchive',
      summary: 'Unpack a tar into a directory of a container',
      query: {
        path: text('The directory in the container'),
        noOverwriteDirNonDir: flag('Refuse to replace a directory with something else, and the reverse'),
        copyUIDGID: flag("Give the files to the container's user"),
      },
      answers: { 200: empty('All is unpacked') },
      refusals: [403, 404],
      async handler({ params, query, input }, reply) {
        const path = given(query.path);
        await files.put(containers.resolve(params.id!), path, upload(input), {
          noOverwriteDirNonDir: query.noOverwriteDirNonDir,
          copyOwner: query.copyUIDGID,
        });
        reply.empty(200);
      },
    }),
  ];
}

function wholeRoutes(containers: Containers, files: FilesOfContainers): Route[] {
  return [
    route({
      method: 'GET',
      path: '/containers/:id*/export',
      operationId: 'ContainerExport',
      summary: 'The root file system of a container as a tar',
      answers: { 200: bytes('The tar', 'application/octet-stream') },
      refusals: [404, 409],
      async handler({ params, signal }, reply) {
        const tar = files.export(containers.resolve(params.id!));
        await sendArchive(tar, reply, signal, { 'Content-Type': 'application/octet-stream' });
      },
    }),
    route({
      method: 'GET',
      path: '/containers/:id*/changes',
      operationId: 'ContainerChanges',
      summary: "What differs from the container's image",
      answers: { 200: json('Changed paths; null for none', Nullable(Type.Array(FilesystemChange))) },
      refusals: [404, 409],
      async handler({ params }, reply) {
        const changes = await files.changes(containers.resolve(params.id!));
        const list = changes.map(({ path, kind }) => ({ Path: path, Kind: kind }));
        reply.json(200, list.length === 0 ? null : list);
      },
    }),
  ];
}

function given(path: string): string {
  if (path === '') throw new GantryError('invalid_parameter', 'bad parameter: path cannot be empty');
  return path;
}

function statHeader(stat: PathStat): Record<string, string> {
  return { [STAT_HEADER]: Buffer.from(JSON.stringify(stat)).toString('base64') };
}
