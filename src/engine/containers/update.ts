import { GantryError } from '../../api/errors.ts';
import type { HostConfig } from '../../api/schemas/host-config.ts';
import { buildUpdateResources } from '../../runtime/spec/resources.ts';
import type { ContainerRecord } from '../container-record.ts';
import type { EngineContext } from '../context.ts';
import { type PreparedPortChange, preparePortChange } from '../networks/port-changes.ts';
import type { Container } from './container.ts';
import type { ContainersDeps } from './contract.ts';
import { prepareUpdate, type UpdateBody } from './create-options/prepare-update.ts';

/** Changes limits, of the running processes too, the restart policy and published ports. Throws conflict and invalid_parameter; nothing has changed then. */
export async function update(
  container: Container,
  body: UpdateBody,
  context: EngineContext,
  deps: ContainersDeps,
): Promise<string[]> {
  return container.lock.run(async () => {
    const { record } = container;
    if (['removing', 'dead'].includes(record.state.status)) {
      throw new GantryError('conflict', `Container is marked for removal and cannot be "update".`);
    }
    const { hostConfig, changed, warnings } = prepareUpdate(record, body, deps.hostFacts);
    const ports = portChange(record, body);
    if (ports !== undefined) hostConfig.PortBindings = ports.bindings;
    const before = record.hostConfig;
    // First, because it may be refused, and because it can be undone.
    const undo = ports === undefined ? () => {} : deps.ports.change(record, ports);
    try {
      if (container.running && Object.keys(changed).length > 0) await limit(container, changed, context, deps);
      record.hostConfig = hostConfig;
      container.save();
    } catch (error) {
      record.hostConfig = before;
      undo();
      throw error;
    }
    container.event('update');
    return warnings;
  });
}

/** Sets limits of running processes. */
async function limit(
  container: Container,
  changed: HostConfig,
  context: EngineContext,
  deps: ContainersDeps,
): Promise<void> {
  const { record } = container;
  const runtime = context.runtimes.get(record.runtime);
  if (runtime === undefined) throw new GantryError('system', `unknown or invalid runtime name: ${record.runtime}`);
  const resources = buildUpdateResources(changed, deps.hostFacts.devices);
  // Before the rest: a memory limit can only grow beyond its swap limit when that one is gone.
  deps.cgroups.lift(container.cgroupsPath, {
    swap: resources.memory?.swap === -1,
    cpuQuota: resources.cpu?.quota === -1,
    pids: resources.pids?.limit === -1,
  });
  await runtime.update(container.id, resources);
}

/** undefined when none is asked for. Throws invalid_parameter for a container that shares a network, and as preparePortChange(). */
function portChange(record: ContainerRecord, body: UpdateBody): PreparedPortChange | undefined {
  const { PublishAdd: add = {}, PublishRemove: remove = {} } = body;
  if (Object.keys(add).length + Object.keys(remove).length === 0) return undefined;
  const mode = record.hostConfig.NetworkMode ?? '';
  if (mode.startsWith('container:') || mode === 'host' || mode === 'none') {
    const what = mode.startsWith('container:') ? 'container type' : mode;
    throw new GantryError('invalid_parameter', `conflicting options: port publishing and the ${what} network mode`);
  }
  return preparePortChange(record.hostConfig.PortBindings ?? {}, record.publishedPorts ?? [], { add, remove });
}
