import type { Containers } from '../../engine/containers/containers.ts';
import type { FilesOfContainers } from '../../engine/containers/files.ts';
import type { EventBus } from '../../engine/events.ts';
import type { Images } from '../../engine/images/images.ts';
import type { Attachments } from '../../engine/networks/attachments.ts';
import type { NetworkCatalog } from '../../engine/networks/networks.ts';
import type { Volumes } from '../../engine/volumes/volumes.ts';
import type { Route } from '../contract.ts';
import { archiveRoutes } from './archive.ts';
import { containerRoutes } from './containers.ts';
import { eventRoutes } from './events.ts';
import { execRoutes } from './exec.ts';
import { imageRoutes } from './images.ts';
import { logRoutes } from './logs.ts';
import { networkRoutes } from './networks.ts';
import { notSupportedRoutes } from './not-supported.ts';
import { pingRoutes } from './ping.ts';
import { type SystemRoutesDeps, systemRoutes } from './system.ts';
import { volumeRoutes } from './volumes.ts';

export interface RouteParts {
  containers: Containers;
  files: FilesOfContainers;
  images: Images;
  volumes: Volumes;
  networks: NetworkCatalog;
  attachments: Attachments;
  events: EventBus;
  system: SystemRoutesDeps;
}

/** Every operation of the Engine API. Nothing of the engine is touched before a request comes. */
export function allRoutes(parts: RouteParts): Route[] {
  const { containers, files, images, volumes, networks, attachments, events, system } = parts;
  return [
    ...pingRoutes(),
    ...containerRoutes(containers),
    ...logRoutes(containers),
    ...archiveRoutes(containers, files),
    ...imageRoutes(images, containers),
    ...execRoutes(containers),
    ...volumeRoutes(volumes),
    ...systemRoutes(system),
    ...eventRoutes(events),
    ...networkRoutes(networks, attachments),
    ...notSupportedRoutes(),
  ];
}
