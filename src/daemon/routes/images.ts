import { Type } from 'typebox';
import { GantryError, notSupportedYet } from '../../api/errors.ts';
import { Filters } from '../../api/filters.ts';
import { ContainerConfig } from '../../api/schemas/container.ts';
import {
  ImageDeleteResponseItem,
  ImageHistoryItem,
  ImageInspect,
  ImagePruneResponse,
  ImageSummary,
} from '../../api/schemas/image.ts';
import { IDResponse } from '../../api/schemas/system.ts';
import type { Containers } from '../../engine/containers/containers.ts';
import { commit } from '../../engine/images/commit.ts';
import { imageConfigOf } from '../../engine/images/image-config.ts';
import type { Images } from '../../engine/images/images.ts';
import { IMAGE_FILTERS } from '../../engine/images/list.ts';
import { IMAGE_PRUNE_FILTERS } from '../../engine/images/remove.ts';
import { legacyImage, legacySummary } from '../compat/images.ts';
import { type Route, route } from '../contract.ts';
import { empty, json } from '../http/answers.ts';
import { filters, flag, list, text } from '../http/parameters.ts';
import { DRY_RUN, pruneOptions } from './dry-run.ts';
import { imageStreamRoutes } from './images-streams.ts';
import { platformSince } from './platform-since.ts';

const ONE_MANIFEST = flag('Of no effect, as with dockerd where its image store keeps no manifests');

/** The Engine API's Image tag, but for building; and ImageCommit. */
export function imageRoutes(images: Images, containers: Containers): Route[] {
  return [
    ...viewRoutes(images),
    ...changeRoutes(images),
    commitRoute(images, containers),
    ...imageStreamRoutes(images),
    ...laterRoutes(),
  ];
}

function viewRoutes(images: Images): Route[] {
  return [
    route({
      method: 'GET',
      path: '/images/json',
      operationId: 'ImageList',
      summary: 'Images, newest first',
      query: {
        all: flag('Intermediate ones too'),
        filters: filters('Which images', IMAGE_FILTERS),
        filter: text('Before API version 1.41: the filter reference'),
        'shared-size': flag('From 1.42: work out SharedSize'),
        digests: flag('Of no effect: digests are always shown'),
        manifests: ONE_MANIFEST,
      },
      answers: { 200: json('The images', Type.Array(ImageSummary)) },
      refusals: [404],
      async handler({ query, version }, reply) {
        // Before 1.41 a name came in a parameter of its own.
        const name = version.lessThan('1.41') ? query.filter : '';
        const wanted = name === '' ? query.filters : withFilter(query.filters, 'reference', name);
        const sharedSize = !version.lessThan('1.42') && query['shared-size'];
        const found = images.list({ all: query.all, filters: wanted, sharedSize, containerCount: false });
        reply.json(
          200,
          found.map((summary) => legacySummary(summary, version)),
        );
      },
    }),
    route({
      method: 'GET',
      path: '/images/:name*/json',
      operationId: 'ImageInspect',
      summary: 'All about an image',
      query: {
        manifests: ONE_MANIFEST,
        platform: text('From 1.49: the platform it must have, an OCI platform as JSON'),
      },
      answers: { 200: json('The image', ImageInspect) },
      refusals: [404],
      async handler({ params, query, version, headers }, reply) {
        if (query.manifests && query.platform !== '' && !version.lessThan('1.49')) {
          throw new GantryError(
            'invalid_parameter',
            'conflicting options: manifests and platform options cannot both be set',
          );
        }
        const platform = platformSince('1.49', version, query.platform);
        reply.json(200, legacyImage(images.inspect(params.name!, platform), version, headers['user-agent']));
      },
    }),
    route({
      method: 'GET',
      path: '/images/:name*/history',
      operationId: 'ImageHistory',
      summary: "An image's layers and what made them",
      query: { platform: text('From 1.48: the platform it must have, an OCI platform as JSON') },
      answers: { 200: json('Newest first', Type.Array(ImageHistoryItem)) },
      refusals: [404],
      async handler({ params, query, version }, reply) {
        reply.json(200, images.history(params.name!, platformSince('1.48', version, query.platform)));
      },
    }),
  ];
}

function changeRoutes(images: Images): Route[] {
  return [
    route({
      method: 'POST',
      path: '/images/:name*/tag',
      operationId: 'ImageTag',
      summary: 'Give an image one more name',
      query: { repo: text('The repository'), tag: text("The tag; the repository's own or latest for none") },
      answers: { 201: empty('It has the name') },
      refusals: [404, 409],
      async handler({ params, query }, reply) {
        images.tag(params.name!, query.repo, query.tag);
        reply.empty(201);
      },
    }),
    route({
      method: 'DELETE',
      path: '/images/:name*',
      operationId: 'ImageDelete',
      summary: 'Take a name away, and with the last one the image',
      query: {
        force: flag('Also when stopped containers use it or it has several names'),
        noprune: flag('Keep parents without a name'),
        platforms: list('Not supported yet: remove it for these platforms only'),
      },
      answers: { 200: json('What was taken away, in order', Type.Array(ImageDeleteResponseItem)) },
      refusals: [404, 409],
      async handler({ params, query, version }, reply) {
        if (params.name!.trim() === '') throw new GantryError('invalid_parameter', 'image name cannot be blank');
        if (query.platforms.length > 0 && !version.lessThan('1.50')) {
          throw notSupportedYet('removing an image for some platforms only');
        }
        reply.json(200, await images.remove(params.name!, { force: query.force, prune: !query.noprune }));
      },
    }),
    route({
      method: 'POST',
      path: '/images/prune',
      operationId: 'ImagePrune',
      summary: 'Remove images that nobody uses',
      query: { filters: filters('Which of them', IMAGE_PRUNE_FILTERS), ...DRY_RUN },
      answers: { 200: json('What was removed', ImagePruneResponse) },
      async handler({ query }, reply) {
        reply.json(200, await images.prune(query.filters, pruneOptions(query)));
      },
    }),
  ];
}

function commitRoute(images: Images, containers: Containers): Route {
  return route({
    method: 'POST',
    path: '/commit',
    operationId: 'ImageCommit',
    summary: 'Make an image of a container',
    query: {
      container: text('ID or name of the container'),
      repo: text("Repository of the image's name; none for an unnamed one"),
      tag: text("Tag of the name; the repository's own or latest for none"),
      comment: text('A word about it'),
      author: text('Who makes it'),
      pause: flag('Freeze the container meanwhile', { missing: true }),
      changes: list('Dockerfile instructions that change the configuration'),
    },
    body: ContainerConfig,
    answers: { 201: json('It is there', IDResponse) },
    refusals: [404, 409],
    async handler({ query, body }, reply) {
      const config = imageConfigOf(body);
      const id = await commit({ images, containers }, containers.resolve(query.container), {
        ...query,
        config: Object.keys(config).length === 0 ? null : config,
      });
      reply.json(201, { Id: id });
    },
  });
}

function laterRoutes(): Route[] {
  return [
    route({
      method: 'POST',
      path: '/images/:name*/push',
      operationId: 'ImagePush',
      summary: 'Not supported yet: send an image to a registry',
      answers: {},
      refusals: [501],
      async handler({ params }) {
        throw notSupportedYet(`pushing ${params.name} to a registry`);
      },
    }),
    route({
      method: 'GET',
      path: '/images/search',
      operationId: 'ImageSearch',
      summary: 'Not supported yet: search a registry',
      answers: {},
      refusals: [501],
      async handler() {
        throw notSupportedYet('searching a registry');
      },
    }),
  ];
}

function withFilter(given: Filters, key: string, value: string): Filters {
  const values = Object.fromEntries(given.keys().map((name) => [name, given.get(name)]));
  return new Filters({ ...values, [key]: [...(values[key] ?? []), value] });
}
