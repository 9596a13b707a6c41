import type { ContainerSummary } from '../../api/schemas/container.ts';
import type { Container } from './container.ts';
import { endpointSettings, listedPorts, type NetworkIds } from './network-view.ts';
import { statusText } from './status-text.ts';

export interface SummaryOptions {
  networkIds: NetworkIds;
  /** ID of the image a reference means now, null for none. */
  imageIdOf: (reference: string) => string | null;
  /** With their slashes. */
  names: string[];
  /** Milliseconds since the epoch. */
  now: number;
}

/** The command of the list: arguments with spaces in quotes. */
export function commandText(path: string, args: readonly string[]): string {
  return [path, ...args.map((arg) => (arg.includes(' ') ? `'${arg}'` : arg))].join(' ');
}

/** One line of ContainerList, without sizes. */
export function summaryOf(container: Container, options: SummaryOptions): ContainerSummary {
  const { record } = container;
  const reference = record.config.Image ?? '';
  // The name the user gave, unless it means another image by now.
  const image = reference !== '' && options.imageIdOf(reference) === record.imageId ? reference : record.imageId;
  return {
    Id: record.id,
    Names: options.names,
    Image: image,
    ImageID: record.imageId,
    Command: commandText(record.path, record.args),
    Created: Math.floor(Date.parse(record.created) / 1000),
    Ports: listedPorts(record),
    Labels: record.config.Labels ?? {},
    State: record.state.status,
    Status: statusText(record.state, options.now),
    HostConfig: {
      NetworkMode: record.hostConfig.NetworkMode ?? 'bridge',
      ...(Object.keys(record.hostConfig.Annotations ?? {}).length > 0
        ? { Annotations: record.hostConfig.Annotations }
        : {}),
    },
    NetworkSettings: { Networks: endpointSettings(record, options.networkIds) },
    Mounts: record.mounts,
  };
}
