import { GantryError, notSupportedYet } from '../../api/errors.ts';
import type { Route } from '../contract.ts';

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

/** Every operation of the Engine API that no other routes file serves: each answers what it is that is missing. */
export function notSupportedRoutes(): Route[] {
  const route = ([method, path, operationId]: Refusal, error: () => GantryError): Route => ({
    method,
    path,
    operationId,
    async handler() {
      throw error();
    },
  });
  return [
    ...OF_A_SWARM.map((refusal) => route(refusal, () => new GantryError('unavailable', NOT_A_MANAGER))),
    route(
      ['POST', '/swarm/leave', 'SwarmLeave'],
      () => new GantryError('unavailable', 'This node is not part of a swarm'),
    ),
    ...LATER.map(([method, path, operationId, what]) =>
      route([method, path, operationId], () => notSupportedYet(what)),
    ),
    ...(['GET', 'DELETE'] as const).map((method): Route => {
      const [path, operationId] =
        method === 'GET' ? ['/plugins/:name*/json', 'PluginInspect'] : ['/plugins/:name*', 'PluginDelete'];
      return {
        method,
        path,
        operationId,
        async handler(request) {
          throw new GantryError('not_found', `plugin "${request.params.name}" not found`);
        },
      };
    }),
    {
      method: 'GET',
      path: '/plugins',
      operationId: 'PluginList',
      async handler(_request, reply) {
        reply.json(200, []);
      },
    },
    {
      method: 'POST',
      path: '/build/prune',
      operationId: 'BuildPrune',
      async handler(_request, reply) {
        // `docker system prune` calls it; nothing is ever in the cache.
        reply.json(200, { CachesDeleted: null, SpaceReclaimed: 0 });
      },
    },
  ];
}
