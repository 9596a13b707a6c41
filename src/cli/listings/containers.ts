import type { ContainerSummary } from '../../api/schemas/container.ts';
import { humanDuration, humanSize } from '../../api/units.ts';
import type { Listing, Row } from '../format/rows.ts';
import { displayPorts } from './ports.ts';
import { ellipsis, goTime, labelList, quote, shortId } from './text.ts';

const RAW = `container_id: {{.ID}}
image: {{.Image}}
command: {{.Command}}
created_at: {{.CreatedAt}}
state: {{- pad .State 1 0}}
status: {{- pad .Status 1 0}}
names: {{.Names}}
labels: {{- pad .Labels 1 0}}
ports: {{- pad .Ports 1 0}}
`;

/** `docker ps`. */
export function containerListing(size: boolean): Listing {
  return {
    headers: {
      ID: 'CONTAINER ID',
      Names: 'NAMES',
      Image: 'IMAGE',
      Command: 'COMMAND',
      CreatedAt: 'CREATED AT',
      RunningFor: 'CREATED',
      Ports: 'PORTS',
      State: 'STATE',
      Status: 'STATUS',
      Size: 'SIZE',
      Labels: 'LABELS',
      Mounts: 'MOUNTS',
      LocalVolumes: 'LOCAL VOLUMES',
      Networks: 'NETWORKS',
      Platform: 'PLATFORM',
    },
    table: `table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}${size ? '\t{{.Size}}' : ''}`,
    quiet: 'ID',
    type: '*formatter.ContainerContext',
    raw: { lines: `${RAW}${size ? 'size: {{.Size}}\n' : ''}`, quiet: 'container_id: {{.ID}}' },
  };
}

function imageName(container: ContainerSummary, truncate: boolean): string {
  const image = container.Image ?? '';
  if (image === '') return '<no image>';
  if (!truncate) return image;
  const id = container.ImageID ?? '';
  if (shortId(id) === shortId(image)) return shortId(id);
  // A digest says little in a table: the name before it is enough.
  const at = image.indexOf('@');
  return at > 0 ? image.slice(0, at) : image;
}

export function containerRow(container: ContainerSummary, truncate: boolean, now = Date.now()): Row {
  const names = (container.Names ?? []).map((name) => name.replace(/^\//, ''));
  // A name with a slash is a legacy link's alias.
  const shown = truncate ? names.filter((name) => !name.includes('/')) : names;
  const created = container.Created ?? 0;
  const command = container.Command ?? '';
  const mounts = (container.Mounts ?? []).map((mount) => {
    const name = mount.Name === undefined || mount.Name === '' ? (mount.Source ?? '') : mount.Name;
    return truncate ? ellipsis(name, 15) : name;
  });
  const virtual = container.SizeRootFs ?? 0;
  const platform = (container as { ImageManifestDescriptor?: { platform?: { os?: string; architecture?: string } } })
    .ImageManifestDescriptor?.platform;
  return {
    ID: truncate ? shortId(container.Id ?? '') : container.Id,
    Names: shown.join(','),
    Image: imageName(container, truncate),
    Command: quote(truncate ? ellipsis(command, 20) : command),
    CreatedAt: goTime(created),
    RunningFor: `${humanDuration(now - created * 1000)} ago`,
    Ports: displayPorts(container.Ports ?? []),
    State: container.State,
    Status: container.Status,
    Size: humanSize(container.SizeRw ?? 0, 3) + (virtual > 0 ? ` (virtual ${humanSize(virtual, 3)})` : ''),
    Labels: labelList(container.Labels),
    Label: (key: unknown) => container.Labels?.[String(key)] ?? '',
    Mounts: mounts.join(','),
    LocalVolumes: String((container.Mounts ?? []).filter((mount) => mount.Driver === 'local').length),
    Networks: Object.keys(container.NetworkSettings?.Networks ?? {}).join(','),
    Platform: platform === undefined ? null : `${platform.os}/${platform.architecture}`,
  };
}
