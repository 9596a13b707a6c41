/**
 * Every command: its names and where it is. The first name with a given prefix is the one that the help of that group lists, all
 * of them are listed as aliases. The import is evaluated only when the command runs, or when its help is asked for.
 */

import type { Command } from './command.ts';

export interface CommandEntry {
  /** Paths, words joined by a space; the first is the canonical one. */
  readonly names: readonly string[];
  readonly summary: string;
  readonly hidden?: boolean;
  // biome-ignore lint/suspicious/noExplicitAny: the table holds commands with flags of every kind
  load(): Promise<{ command: Command<any> }>;
}

/** Groups of commands, in the order of the help. */
export const GROUPS: Readonly<Record<string, string>> = {
  container: 'Manage containers',
  context: 'Manage contexts',
  image: 'Manage images',
  network: 'Manage networks',
  system: 'Manage Gantry',
  volume: 'Manage volumes',
};

/** The commands that a newcomer meets first. */
export const COMMON = ['run', 'exec', 'ps', 'pull', 'images', 'version', 'info'] as const;

export const COMMANDS: readonly CommandEntry[] = [
  {
    names: ['container run', 'run'],
    summary: 'Create and run a new container from an image',
    load: () => import('./commands/run.ts'),
  },
  {
    names: ['container create', 'create'],
    summary: 'Create a new container',
    load: () => import('./commands/create.ts'),
  },
  {
    names: ['container exec', 'exec'],
    summary: 'Execute a command in a running container',
    load: () => import('./commands/exec.ts'),
  },
  {
    names: ['container attach', 'attach'],
    summary: 'Attach local standard input, output, and error streams to a running container',
    load: () => import('./commands/attach.ts'),
  },
  {
    names: ['container start', 'start'],
    summary: 'Start one or more stopped containers',
    load: () => import('./commands/start.ts'),
  },
  {
    names: ['container stop', 'stop'],
    summary: 'Stop one or more running containers',
    load: async () => ({ command: (await import('./commands/stop.ts')).stop }),
  },
  {
    names: ['container restart', 'restart'],
    summary: 'Restart one or more containers',
    load: async () => ({ command: (await import('./commands/stop.ts')).restart }),
  },
  {
    names: ['container kill', 'kill'],
    summary: 'Kill one or more running containers',
    load: () => import('./commands/kill.ts'),
  },
  {
    names: ['container pause', 'pause'],
    summary: 'Pause all processes within one or more containers',
    load: () => import('./commands/pause.ts'),
  },
  {
    names: ['container unpause', 'unpause'],
    summary: 'Unpause all processes within one or more containers',
    load: () => import('./commands/unpause.ts'),
  },
  {
    names: ['container rm', 'container remove', 'rm'],
    summary: 'Remove one or more containers',
    load: () => import('./commands/rm.ts'),
  },
  {
    names: ['container rename', 'rename'],
    summary: 'Rename a container',
    load: () => import('./commands/rename.ts'),
  },
  {
    names: ['container update', 'update'],
    summary: 'Update configuration of one or more containers',
    load: () => import('./commands/update.ts'),
  },
  {
    names: ['container wait', 'wait'],
    summary: 'Block until one or more containers stop, then print their exit codes',
    load: () => import('./commands/wait.ts'),
  },
  {
    names: ['container logs', 'logs'],
    summary: 'Fetch the logs of a container',
    load: () => import('./commands/logs.ts'),
  },
  {
    names: ['container cp', 'cp'],
    summary: 'Copy files/folders between a container and the local filesystem',
    load: () => import('./commands/cp.ts'),
  },
  {
    names: ['container export', 'export'],
    summary: "Export a container's filesystem as a tar archive",
    load: () => import('./commands/export.ts'),
  },
  {
    names: ['container commit', 'commit'],
    summary: "Create a new image from a container's changes",
    load: () => import('./commands/commit.ts'),
  },
  {
    names: ['container diff', 'diff'],
    summary: "Inspect changes to files or directories on a container's filesystem",
    load: () => import('./commands/diff.ts'),
  },
  {
    names: ['container port', 'port'],
    summary: 'List port mappings or a specific mapping for the container',
    load: () => import('./commands/port.ts'),
  },
  {
    names: ['container ls', 'container list', 'container ps', 'ps'],
    summary: 'List containers',
    load: () => import('./commands/ps.ts'),
  },
  {
    names: ['container top', 'top'],
    summary: 'Display the running processes of a container',
    load: () => import('./commands/top.ts'),
  },
  {
    names: ['container stats', 'stats'],
    summary: 'Display a live stream of container(s) resource usage statistics',
    load: () => import('./commands/stats.ts'),
  },
  {
    names: ['container inspect'],
    summary: 'Display detailed information on one or more containers',
    load: async () => ({ command: (await import('./commands/inspect-one.ts')).containerInspect }),
  },
  {
    names: ['container prune'],
    summary: 'Remove all stopped containers',
    load: async () => ({ command: (await import('./commands/prune.ts')).containerPrune }),
  },
  {
    names: ['image load', 'load'],
    summary: 'Load an image from a tar archive or STDIN',
    load: () => import('./commands/load.ts'),
  },
  {
    names: ['image save', 'save'],
    summary: 'Save one or more images to a tar archive (streamed to STDOUT by default)',
    load: () => import('./commands/save.ts'),
  },
  {
    names: ['image import', 'import'],
    summary: 'Import the contents from a tarball to create a filesystem image',
    load: () => import('./commands/import.ts'),
  },
  {
    names: ['image tag', 'tag'],
    summary: 'Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE',
    load: () => import('./commands/tag.ts'),
  },
  {
    names: ['image rm', 'image remove', 'rmi'],
    summary: 'Remove one or more images',
    load: () => import('./commands/rmi.ts'),
  },
  {
    names: ['image pull', 'pull'],
    summary: 'Download an image from a registry',
    load: () => import('./commands/pull.ts'),
  },
  {
    names: ['image ls', 'image list', 'images'],
    summary: 'List images',
    load: () => import('./commands/images.ts'),
  },
  {
    names: ['image history', 'history'],
    summary: 'Show the history of an image',
    load: () => import('./commands/history.ts'),
  },
  {
    names: ['image inspect'],
    summary: 'Display detailed information on one or more images',
    load: async () => ({ command: (await import('./commands/inspect-one.ts')).imageInspect }),
  },
  {
    names: ['image prune'],
    summary: 'Remove unused images',
    load: async () => ({ command: (await import('./commands/prune.ts')).imagePrune }),
  },
  {
    names: ['inspect'],
    summary: 'Return low-level information on Gantry objects',
    load: () => import('./commands/inspect.ts'),
  },
  {
    names: ['version'],
    summary: 'Show the Gantry version information',
    load: () => import('./commands/version.ts'),
  },
  {
    names: ['system info', 'info'],
    summary: 'Display system-wide information',
    load: () => import('./commands/info.ts'),
  },
  {
    names: ['system events', 'events'],
    summary: 'Get real time events from the server',
    load: () => import('./commands/events.ts'),
  },
  {
    names: ['system df'],
    summary: 'Show disk usage',
    load: () => import('./commands/system-df.ts'),
  },
  {
    names: ['system prune'],
    summary: 'Remove unused data',
    load: async () => ({ command: (await import('./commands/prune.ts')).systemPrune }),
  },
  {
    names: ['volume backup'],
    summary: "Write a volume's content to a tar archive with a checksum",
    load: async () => ({ command: (await import('./commands/volume-archive.ts')).backup }),
  },
  {
    names: ['volume create'],
    summary: 'Create a volume',
    load: async () => ({ command: (await import('./commands/volume.ts')).create }),
  },
  {
    names: ['volume inspect'],
    summary: 'Display detailed information on one or more volumes',
    load: async () => ({ command: (await import('./commands/inspect-one.ts')).volumeInspect }),
  },
  {
    names: ['volume ls', 'volume list'],
    summary: 'List volumes',
    load: async () => ({ command: (await import('./commands/volume.ts')).ls }),
  },
  {
    names: ['volume prune'],
    summary: 'Remove unused local volumes',
    load: async () => ({ command: (await import('./commands/prune.ts')).volumePrune }),
  },
  {
    names: ['volume rename'],
    summary: 'Give a volume that no container uses another name',
    load: async () => ({ command: (await import('./commands/volume-archive.ts')).rename }),
  },
  {
    names: ['volume restore'],
    summary: 'Fill a volume with the content of a backup',
    load: async () => ({ command: (await import('./commands/volume-archive.ts')).restore }),
  },
  {
    names: ['volume rm', 'volume remove'],
    summary: 'Remove one or more volumes',
    load: async () => ({ command: (await import('./commands/volume.ts')).rm }),
  },
  {
    names: ['network connect'],
    summary: 'Connect a container to a network',
    load: async () => ({ command: (await import('./commands/network.ts')).connect }),
  },
  {
    names: ['network create'],
    summary: 'Create a network',
    load: async () => ({ command: (await import('./commands/network.ts')).create }),
  },
  {
    names: ['network disconnect'],
    summary: 'Disconnect a container from a network',
    load: async () => ({ command: (await import('./commands/network.ts')).disconnect }),
  },
  {
    names: ['network prune'],
    summary: 'Remove all unused networks',
    load: async () => ({ command: (await import('./commands/prune.ts')).networkPrune }),
  },
  {
    names: ['network rm', 'network remove'],
    summary: 'Remove one or more networks',
    load: async () => ({ command: (await import('./commands/network.ts')).rm }),
  },
  {
    names: ['network inspect'],
    summary: 'Display detailed information on one or more networks',
    load: async () => ({ command: (await import('./commands/inspect-one.ts')).networkInspect }),
  },
  {
    names: ['network ls', 'network list'],
    summary: 'List networks',
    load: async () => ({ command: (await import('./commands/network.ts')).ls }),
  },
  {
    names: ['context create'],
    summary: 'Create a context',
    load: async () => ({ command: (await import('./commands/context.ts')).create }),
  },
  {
    names: ['context export'],
    summary: 'Export a context to a tar archive FILE or a tar stream on STDOUT.',
    load: async () => ({ command: (await import('./commands/context-archive.ts')).exportContext }),
  },
  {
    names: ['context import'],
    summary: 'Import a context from a tar file',
    load: async () => ({ command: (await import('./commands/context-archive.ts')).importContext }),
  },
  {
    names: ['context inspect'],
    summary: 'Display detailed information on one or more contexts',
    load: async () => ({ command: (await import('./commands/context.ts')).inspect }),
  },
  {
    names: ['context ls', 'context list'],
    summary: 'List contexts',
    load: async () => ({ command: (await import('./commands/context.ts')).ls }),
  },
  {
    names: ['context rm', 'context remove'],
    summary: 'Remove one or more contexts',
    load: async () => ({ command: (await import('./commands/context.ts')).rm }),
  },
  {
    names: ['context show'],
    summary: 'Print the name of the current context',
    load: async () => ({ command: (await import('./commands/context.ts')).show }),
  },
  {
    names: ['context update'],
    summary: 'Update a context',
    load: async () => ({ command: (await import('./commands/context.ts')).update }),
  },
  {
    names: ['context use'],
    summary: 'Set the current gantry context',
    load: async () => ({ command: (await import('./commands/context.ts')).use }),
  },
  {
    names: ['system dial-stdio'],
    summary: "Join stdin and stdout to the daemon's socket",
    hidden: true,
    load: () => import('./commands/dial-stdio.ts'),
  },
  {
    names: ['completion'],
    summary: 'Generate the completion script of a shell',
    load: () => import('./commands/completion.ts'),
  },
  {
    names: ['__complete'],
    summary: 'List what may complete the command line',
    hidden: true,
    load: () => import('./commands/complete.ts'),
  },
];

/** The name that stands for an alias beside it: "container ls" for "container ps". Short forms are commands of their own. */
export function canonicalName(entry: CommandEntry, name: string): string {
  const group = name.includes(' ') ? name.slice(0, name.lastIndexOf(' ') + 1) : '';
  return entry.names.find((other) => other.slice(0, other.lastIndexOf(' ') + 1) === group) ?? name;
}

/** The entry of a path of words, and how many of them it took. */
export function findCommand(words: readonly string[]): { entry: CommandEntry; name: string; used: number } | undefined {
  for (const used of [3, 2, 1]) {
    if (words.length < used) continue;
    const name = words.slice(0, used).join(' ');
    const entry = COMMANDS.find((candidate) => candidate.names.includes(name));
    if (entry) return { entry, name, used };
  }
  return undefined;
}
