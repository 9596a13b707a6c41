import { notSupportedYet } from '../../api/errors.ts';
import { Filters } from '../../api/filters.ts';
import { ContainerConfig } from '../../api/schemas/container.ts';
import type { Containers } from '../../engine/containers/containers.ts';
import { commit } from '../../engine/images/commit.ts';
import { imageConfigOf } from '../../engine/images/image-config.ts';
import type { Images } from '../../engine/images/images.ts';
import { parseJsonPlatform } from '../../engine/images/platform.ts';
import type { ApiRequest, Query, Route } from '../contract.ts';
import { legacyImage, legacySummary } from './images-legacy.ts';
import { imageStreamRoutes } from './images-streams.ts';

/** The Engine API's Image tag, but for building; and ImageCommit. */
export function imageRoutes(images: Images, containers: Containers): Route[] {
  return [...viewRoutes(images), ...changeRoutes(images, containers), ...imageStreamRoutes(images), ...laterRoutes()];
}

function viewRoutes(images: Images): Route[] {
  return [
    {
      method: 'GET',
      path: '/images/json',
      operationId: 'ImageList',
      async handler({ query, version }, reply) {
        let filters = query.filters();
        // Before 1.41 a name came in a parameter of its own.
        const name = version.lessThan('1.41') ? query.string('filter') : '';
        if (name !== '') filters = withFilter(filters, 'reference', name);
        const sharedSize = !version.lessThan('1.42') && query.bool('shared-size');
        const list = images.list({ all: query.bool('all'), filters, sharedSize, containerCount: false });
        reply.json(
          200,
          list.map((summary) => legacySummary(summary, version)),
        );
      },
    },
    {
      method: 'GET',
      path: '/images/:name*/json',
      operationId: 'ImageInspect',
      async handler({ params, query, version }, reply) {
        reply.json(200, legacyImage(images.inspect(params.name!, platformOf(query)), version));
      },
    },
    {
      method: 'GET',
      path: '/images/:name*/history',
      operationId: 'ImageHistory',
      async handler({ params, query }, reply) {
        reply.json(200, images.history(params.name!, platformOf(query)));
      },
    },
  ];
}

function changeRoutes(images: Images, containers: Containers): Route[] {
  return [
    {
      method: 'POST',
      path: '/images/:name*/tag',
      operationId: 'ImageTag',
      async handler({ params, query }, reply) {
        images.tag(params.name!, query.string('repo'), query.string('tag'));
        reply.empty(201);
      },
    },
    {
      method: 'DELETE',
      path: '/images/:name*',
      operationId: 'ImageDelete',
      async handler({ params, query }, reply) {
        if (query.has('platforms')) throw notSupportedYet('removing an image for some platforms only');
        const options = { force: query.bool('force'), prune: !query.bool('noprune') };
        reply.json(200, await images.remove(params.name!, options));
      },
    },
    {
      method: 'POST',
      path: '/images/prune',
      operationId: 'ImagePrune',
      async handler({ query }, reply) {
        reply.json(200, await images.prune(query.filters()));
      },
    },
    {
      method: 'POST',
      path: '/commit',
      operationId: 'ImageCommit',
      body: ContainerConfig,
      async handler({ query, body }: ApiRequest<ContainerConfig>, reply) {
        const container = containers.resolve(query.string('container'));
        const config = imageConfigOf(body);
        const id = await commit({ images, containers }, container, {
          repo: query.string('repo'),
          tag: query.string('tag'),
          comment: query.string('comment'),
          author: query.string('author'),
          changes: query.strings('changes'),
          config: Object.keys(config).length === 0 ? null : config,
          pause: query.bool('pause', true),
        });
        reply.json(201, { Id: id });
      },
    },
  ];
}

function laterRoutes(): Route[] {
  return [
    {
      method: 'POST',
      path: '/images/:name*/push',
      operationId: 'ImagePush',
      async handler({ params }) {
        throw notSupportedYet(`pushing ${params.name} to a registry`);
      },
    },
    {
      method: 'GET',
      path: '/images/search',
      operationId: 'ImageSearch',
      async handler() {
        throw notSupportedYet('searching a registry');
      },
    },
  ];
}

function platformOf(query: Query) {
  return parseJsonPlatform(query.string('platform'));
}

function withFilter(filters: Filters, key: string, value: string): Filters {
  const values = Object.fromEntries(filters.keys().map((name) => [name, filters.get(name)]));
  return new Filters({ ...values, [key]: [...(values[key] ?? []), value] });
}
