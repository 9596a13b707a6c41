import { Type } from 'typebox';
import { GantryError, notSupportedYet } from '../../api/errors.ts';
import { BuildPruneResponse } from '../../api/schemas/image.ts';
import { type Route, route } from '../contract.ts';
import { json } from '../http/answers.ts';
import { filters, flag, number } from '../http/parameters.ts';

const NOT_A_MANAGER =
  'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.';

type Refusal = [method: Route['method'], path: string, operationId: string];

/** Operations that dockerd itself refuses outside a swarm, in its words. */
const OF_A_SWARM: readonly Refusal[] = [
  ['GET', '/swarm', 'SwarmInspect'],
  ['POST', '/swarm/update', 'SwarmUpdate'],
  ['GET', '/swarm/unlockkey', 'SwarmUnlockkey'],
  ['POST', '/swarm/unlock', 'SwarmUnlock'],
  ['GET', '/nodes', 'NodeList'],
  ['GET', '/nodes/:id', 'NodeInspect'],
  ['DELETE', '/nodes/:id', 'NodeDelete'],
  ['POST', '/nodes/:id/update', 'NodeUpdate'],
  ['GET', '/services', 'ServiceList'],
  ['POST', '/services/create', 'ServiceCreate'],
  ['GET', '/services/:id', 'ServiceInspect'],
  ['DELETE', '/services/:id', 'ServiceDelete'],
  ['POST', '/services/:id/update', 'ServiceUpdate'],
  ['GET', '/services/:id/logs', 'ServiceLogs'],
  ['GET', '/tasks', 'TaskList'],
  ['GET', '/tasks/:id', 'TaskInspect'],
  ['GET', '/tasks/:id/logs', 'TaskLogs'],
  ['GET', '/secrets', 'SecretList'],
  ['POST', '/secrets/create', 'SecretCreate'],
  ['GET', '/secrets/:id', 'SecretInspect'],
  ['DELETE', '/secrets/:id', 'SecretDelete'],
  ['POST', '/secrets/:id/update', 'SecretUpdate'],
  ['GET', '/configs', 'ConfigList'],
  ['POST', '/configs/create', 'ConfigCreate'],
  ['GET', '/configs/:id', 'ConfigInspect'],
  ['DELETE', '/configs/:id', 'ConfigDelete'],
  ['POST', '/configs/:id/update', 'ConfigUpdate'],
];

const LATER: readonly [...Refusal, what: string][] = [
  ['POST', '/swarm/init', 'SwarmInit', 'swarm mode'],
  ['POST', '/swarm/join', 'SwarmJoin', 'swarm mode'],
  ['POST', '/build', 'ImageBuild', 'building images'],
  ['POST', '/build/cancel', 'BuildCancel', 'building images'],
  ['POST', '/session', 'Session', 'building images'],
  ['POST', '/grpc', 'Grpc', 'building images'],
  ['GET', '/distribution/:name*/json', 'DistributionInspect', 'asking a registry'],
  ['GET', '/plugins/privileges', 'GetPluginPrivileges', 'plugins'],
  ['POST', '/plugins/pull', 'PluginPull', 'plugins'],
  ['POST', '/plugins/create', 'PluginCreate', 'plugins'],
  ['POST', '/plugins/:name*/enable', 'PluginEnable', 'plugins'],
  ['POST', '/plugins/:name*/disable', 'PluginDisable', 'plugins'],
  ['POST', '/plugins/:name*/upgrade', 'PluginUpgrade', 'plugins'],
  ['POST', '/plugins/:name*/push', 'PluginPush', 'plugins'],
  ['POST', '/plugins/:name*/set', 'PluginSet', 'plugins'],
  ['GET', '/containers/:id/checkpoints', 'CheckpointList', 'checkpoints'],
  ['POST', '/containers/:id/checkpoints', 'CheckpointCreate', 'checkpoints'],
  ['DELETE', '/containers/:id/checkpoints/:checkpoint', 'CheckpointDelete', 'checkpoints'],
];

/** Filter keys of BuildPrune. */
const BUILD_PRUNE_FILTERS = [
  'until',
  'id',
  'parent',
  'type',
  'description',
  'inuse',
  'shared',
  'private',
  'label',
  'label!',
  'unused-for',
];

/** Every operation of the Engine API that no other routes file serves: each answers what it is that is missing. */
export function notSupportedRoutes(): Route[] {
  return [
    ...OF_A_SWARM.map((refusal) => refused(refusal, () => new GantryError('unavailable', NOT_A_MANAGER))),
    refused(
      ['POST', '/swarm/leave', 'SwarmLeave'],
      () => new GantryError('unavailable', 'This node is not part of a swarm'),
    ),
    ...LATER.map(([method, path, operationId, what]) =>
      refused([method, path, operationId], () => notSupportedYet(what)),
    ),
    ...pluginRoutes(),
    buildPruneRoute(),
  ];
}

/** An operation that only answers why it is not there. */
function refused([method, path, operationId]: Refusal, error: () => GantryError): Route {
  const { status, message } = error();
  return route({
    method,
    path,
    operationId,
    summary: message,
    answers: {},
    refusals: [status],
    async handler() {
      throw error();
    },
  });
}

/** There are none: an empty list, and no such plugin. */
function pluginRoutes(): Route[] {
  const absent = (method: 'GET' | 'DELETE', path: string, operationId: string): Route =>
    route({
      method,
      path,
      operationId,
      summary: 'Plugins are not supported yet: there is none of that name',
      answers: {},
      refusals: [404],
      async handler({ params }) {
        throw new GantryError('not_found', `plugin "${params.name}" not found`);
      },
    });
  return [
    absent('GET', '/plugins/:name*/json', 'PluginInspect'),
    absent('DELETE', '/plugins/:name*', 'PluginDelete'),
    route({
      method: 'GET',
      path: '/plugins',
      operationId: 'PluginList',
      summary: 'Plugins are not supported yet: there are none',
      query: { filters: filters('Which plugins', ['capability', 'enable', 'enabled']) },
      answers: { 200: json('No plugin', Type.Array(Type.Any())) },
      async handler(_request, reply) {
        reply.json(200, []);
      },
    }),
  ];
}

/** `docker system prune` calls it; nothing is ever in the cache. */
function buildPruneRoute(): Route {
  const bound = number('Of no effect on an empty cache: bytes to leave');
  return route({
    method: 'POST',
    path: '/build/prune',
    operationId: 'BuildPrune',
    summary: 'Building is not supported yet: the cache is empty',
    query: {
      all: flag('Of no effect on an empty cache'),
      'keep-storage': bound,
      'reserved-space': bound,
      'max-used-space': bound,
      'min-free-space': bound,
      filters: filters('Which records', BUILD_PRUNE_FILTERS),
    },
    answers: { 200: json('What was removed', BuildPruneResponse) },
    async handler(_request, reply) {
      reply.json(200, { CachesDeleted: null, SpaceReclaimed: 0 });
    },
  });
}
