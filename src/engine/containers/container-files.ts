import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname as hostHostname } from 'node:os';
import { join } from 'node:path';
import type { Sandbox } from '../../network/contract.ts';
import { extraHostLines } from '../../network/hosts-file.ts';
import type { EngineContext } from '../context.ts';
import { isUserDefined } from '../networks/endpoint-settings.ts';
import { resolvRequest } from '../networks/name-service.ts';
import type { Container } from './container.ts';

export interface ContainerFiles {
  hosts: string | null;
  hostname: string | null;
  resolvConf: string | null;
}

/**
 * Writes the hosts, hostname and resolv.conf that are bound into a container. `shared`: the container whose network it joins,
 * whose files it gets as well. `links`: lines of the hosts file for linked containers.
 */
export function writeContainerFiles(
  context: EngineContext,
  container: Container,
  sandbox: Sandbox | null,
  shared: Container | null,
  links: readonly string[],
): ContainerFiles {
  const { config, hostConfig } = container.record;
  const paths = (directory: string) => ({
    hosts: join(directory, 'hosts'),
    hostname: join(directory, 'hostname'),
    resolvConf: join(directory, 'resolv.conf'),
  });
  if (shared !== null) return paths(shared.directory);
  const files = paths(container.directory);
  mkdirSync(container.directory, { recursive: true, mode: 0o710 });
  const hostNetwork = hostConfig.NetworkMode === 'host';
  const hostname = config.Hostname || (hostNetwork ? hostHostname() : container.id.slice(0, 12));
  writeFileSync(files.hostname, `${hostname}\n`);
  const extraHosts = hostConfig.ExtraHosts ?? [];
  if (hostNetwork) {
    // The host's names hold there too; extra ones are added.
    const { hostGatewayIps } = context.settings;
    const lines = extraHostLines(extraHosts, hostGatewayIps.length > 0 ? hostGatewayIps : ['127.0.0.1']);
    writeFileSync(files.hosts, readFileSync('/etc/hosts', 'utf8') + lines.map((line) => `${line}\n`).join(''));
  } else {
    writeFileSync(
      files.hosts,
      context.networks.hosts({
        hostname,
        domainname: config.Domainname ?? '',
        addresses: (sandbox?.endpoints ?? []).flatMap(({ ipAddress, ipv6Address, wayOut }) =>
          [ipAddress, ipv6Address].filter((address) => address !== '' && wayOut !== true),
        ),
        extraHosts,
        links,
      }),
    );
  }
  const request = resolvRequest(container.record);
  const named = (sandbox?.endpoints ?? []).some((endpoint) => isUserDefined(endpoint.networkName));
  const { networks } = context;
  writeFileSync(files.resolvConf, named ? networks.embeddedResolvConf(request).text : networks.resolvConf(request));
  return files;
}
