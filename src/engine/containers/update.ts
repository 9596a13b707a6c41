import { GantryError } from '../../api/errors.ts';
import { buildUpdateResources } from '../../runtime/spec/resources.ts';
import type { EngineContext } from '../context.ts';
import type { Container } from './container.ts';
import type { ContainersDeps } from './contract.ts';
import { prepareUpdate, type UpdateBody } from './create-options/prepare-update.ts';

/** Changes limits, of the running processes too, and the restart policy. Throws conflict and invalid_parameter; nothing has changed then. */
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
    if (container.running && Object.keys(changed).length > 0) {
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
    const before = record.hostConfig;
    record.hostConfig = hostConfig;
    try {
      container.save();
    } catch (error) {
      record.hostConfig = before;
      throw error;
    }
    container.event('update');
    return warnings;
  });
}
