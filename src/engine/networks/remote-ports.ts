import type { RemotePorts } from '../../network/contract.ts';
import { portKey, portRequests } from '../../network/ports/port-request.ts';
import type { ContainerRecord } from '../container-record.ts';

/** Numbers of the protocols (IANA). */
const PROTOCOLS = { tcp: 6, udp: 17, sctp: 132 } as const;

/** A container's ports as network plugins are told of them: publishing them is theirs. */
export function remotePorts({ config, hostConfig }: ContainerRecord): RemotePorts {
  const ports = { bindings: hostConfig.PortBindings, exposed: config.ExposedPorts };
  const bound = portRequests({ ...ports, publishAll: hostConfig.PublishAllPorts === true });
  const exposed = new Map(portRequests({ ...ports, publishAll: true }).map((port) => [portKey(port), port]));
  return {
    exposed: [...exposed.values()].map(({ protocol, containerPort }) => ({
      Proto: PROTOCOLS[protocol],
      Port: containerPort,
    })),
    bindings: bound.map(({ protocol, containerPort, hostIp, hostPort, hostPortEnd }) => ({
      ...{ Proto: PROTOCOLS[protocol], IP: '', Port: containerPort },
      ...{ HostIP: hostIp, HostPort: hostPort, HostPortEnd: hostPortEnd },
    })),
  };
}
