import { atLeast, defineCommand, int, list, string, uint, value } from '../command.ts';
import * as check from '../container/checks.ts';
import { parsePublish } from '../container/ports.ts';
import { containerPath, forEach } from './each.ts';

const bytes = (short: string, usage: string) => value(short, 'bytes', usage, 0, (text) => check.parseMemory(text));

/** The API's field of each flag. */
const FIELDS = {
  'blkio-weight': 'BlkioWeight',
  'cpu-period': 'CpuPeriod',
  'cpu-quota': 'CpuQuota',
  'cpu-rt-period': 'CpuRealtimePeriod',
  'cpu-rt-runtime': 'CpuRealtimeRuntime',
  'cpu-shares': 'CpuShares',
  cpus: 'NanoCpus',
  'cpuset-cpus': 'CpusetCpus',
  'cpuset-mems': 'CpusetMems',
  'kernel-memory': 'KernelMemory',
  memory: 'Memory',
  'memory-reservation': 'MemoryReservation',
  'memory-swap': 'MemorySwap',
  'pids-limit': 'PidsLimit',
} as const;

export const command = defineCommand({
  use: '[OPTIONS] CONTAINER [CONTAINER...]',
  summary: 'Update configuration of one or more containers',
  flags: {
    'blkio-weight': uint('', 'Block IO (relative weight), between 10 and 1000, or 0 to disable', 16, {
      showDefault: '0',
    }),
    'cpu-period': int('', 'Period of the CPU CFS (Completely Fair Scheduler) limit'),
    'cpu-quota': int('', 'Quota of the CPU CFS (Completely Fair Scheduler) limit'),
    'cpu-rt-period': int('', 'Limit the CPU real-time period in microseconds'),
    'cpu-rt-runtime': int('', 'Limit the CPU real-time runtime in microseconds'),
    'cpu-shares': int('c', 'CPU shares (relative weight)'),
    cpus: value('', 'decimal', 'Number of CPUs', 0, (text) => check.parseCpus(text)),
    'cpuset-cpus': string('', 'CPUs in which to allow execution (0-3, 0,1)'),
    'cpuset-mems': string('', 'MEMs in which to allow execution (0-3, 0,1)'),
    'kernel-memory': { ...bytes('', 'Kernel memory limit'), hidden: true },
    memory: bytes('m', 'Memory limit'),
    'memory-reservation': bytes('', 'Memory soft limit'),
    'memory-swap': value('', 'bytes', 'Limit of memory plus swap: -1 for unlimited swap', 0, (text) =>
      text === '-1' ? -1 : check.parseMemory(text),
    ),
    'pids-limit': int('', 'Limit the number of processes (-1 for no limit)'),
    'publish-add': list('', "Publish more of the container's ports: [[IP:]HOST:]CONTAINER[/PROTO], ranges as with run"),
    'publish-rm': list('', 'Take published ports back: [[IP:]HOST:]CONTAINER[/PROTO], before others are published'),
    restart: string('', 'Restart policy when the container exits'),
  },
  args: atLeast(1),
  complete: { kind: 'container', repeat: true },
  async run(ctx) {
    if (ctx.changed.size === 0) throw new Error('you must provide one or more flags when using this command');
    const json: Record<string, unknown> = {};
    for (const [flag, field] of Object.entries(FIELDS)) {
      if (ctx.changed.has(flag)) json[field] = ctx.flags[flag as keyof typeof FIELDS];
    }
    if (ctx.changed.has('restart')) json.RestartPolicy = check.parseRestart(ctx.flags.restart);
    if (ctx.changed.has('publish-add')) json.PublishAdd = parsePublish(ctx.flags['publish-add']).bindings;
    if (ctx.changed.has('publish-rm')) json.PublishRemove = parsePublish(ctx.flags['publish-rm']).bindings;
    return await forEach(ctx, ctx.args, async (client, name) => {
      const answer = await client.json<{ Warnings?: string[] | null }>('POST', containerPath(name, 'update'), { json });
      for (const warning of answer.Warnings ?? []) ctx.stderr.write(`${warning}\n`);
      return name;
    });
  },
});
