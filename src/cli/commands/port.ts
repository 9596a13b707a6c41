import type { ContainerInspectResponse } from '../../api/schemas/container.ts';
import { between, defineCommand } from '../command.ts';
import { containerPath } from './each.ts';

export const command = defineCommand({
  use: 'CONTAINER [PRIVATE_PORT[/PROTO]]',
  summary: 'List port mappings or a specific mapping for the container',
  flags: {},
  args: between(1, 2),
  complete: { kind: 'container', state: 'running' },
  async run(ctx) {
    const [name, wanted] = ctx.args as [string, string?];
    const container = await (await ctx.client()).json<ContainerInspectResponse>('GET', containerPath(name, 'json'));
    const ports = container.NetworkSettings?.Ports ?? {};
    const address = (binding: { HostIp?: string; HostPort?: string }) => {
      const ip = binding.HostIp ?? '';
      return `${ip.includes(':') ? `[${ip}]` : ip}:${binding.HostPort}`;
    };
    if (wanted !== undefined) {
      const [port = '', protocol = 'tcp'] = wanted.split('/');
      if (!/^[0-9]+$/.test(port) || Number(port) > 65535) {
        throw new Error(
          `Error: invalid port (${port}): strconv.ParseUint: parsing ${JSON.stringify(port)}: invalid syntax`,
        );
      }
      const bindings = ports[`${port}/${protocol}`];
      if (!bindings || bindings.length === 0)
        throw new Error(`Error: No public port '${wanted}' published for ${name}`);
      ctx.stdout.write(`${bindings.map(address).join('\n')}\n`);
      return;
    }
    const lines: [number, string][] = [];
    for (const [port, bindings] of Object.entries(ports)) {
      for (const binding of bindings ?? []) lines.push([Number.parseInt(port, 10), `${port} -> ${address(binding)}\n`]);
    }
    lines.sort(([a], [b]) => a - b);
    ctx.stdout.write(lines.map(([, line]) => line).join(''));
  },
});
