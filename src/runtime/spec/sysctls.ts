import type { SpecInput } from './input.ts';

/**
 * A container of its own network namespace may open low ports and send ICMP echoes without capabilities; what the user
 * asks for comes on top. Sysctls of a namespace that is shared are not ours to change.
 */
export function buildSysctls(input: SpecInput): Record<string, string> {
  const mode = input.hostConfig.NetworkMode ?? '';
  const sysctls: Record<string, string> = {};
  if (mode !== 'host' && !mode.startsWith('container:')) {
    if (input.host.sysctls.pingGroupRange) sysctls['net.ipv4.ping_group_range'] = '0 2147483647';
    if (input.host.sysctls.unprivilegedPortStart) sysctls['net.ipv4.ip_unprivileged_port_start'] = '0';
  }
  // The domain name has no field in the runtime spec; it is the NIS domain name of the UTS namespace.
  const domain = input.config.Domainname ?? '';
  if (domain !== '' && input.hostConfig.UTSMode !== 'host') sysctls['kernel.domainname'] = domain;
  return Object.assign(sysctls, input.hostConfig.Sysctls ?? {});
}
