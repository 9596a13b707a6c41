/** The shape of ContainerSummary that older API versions have (Engine API, version history). */
import type { ContainerSummary } from '../../api/schemas/container.ts';
import type { ApiVersion } from '../contract.ts';

export function legacyContainer(summary: ContainerSummary, version: ApiVersion): ContainerSummary {
  if (!version.lessThan('1.46')) return summary;
  const { Annotations: _new, ...hostConfig } = summary.HostConfig ?? {};
  return { ...summary, HostConfig: hostConfig };
}
