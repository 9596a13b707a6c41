/** A link of the default bridge as the linking container's environment tells of it. */
export interface LinkedContainer {
  /** "/parent/alias". */
  name: string;
  alias: string;
  /** IPv4, as it has always been here. */
  address: string;
  /** Of the linked container's configuration. */
  env: readonly string[];
  /** Keys of its ExposedPorts: "80/tcp", "8000-8010/udp", "53". */
  exposedPorts: readonly string[];
}

export interface ExposedPort {
  number: number;
  protocol: string;
}

/** Set by builds, of no meaning to others. */
const OWN_VARIABLES = ['HOME', 'PATH'];

/**
 * The variables of Docker's legacy links: ALIAS_PORT for the first port, ALIAS_PORT_<n>_<PROTO> and its parts for each, the bounds of
 * ports in a row, ALIAS_NAME, and the linked container's own variables as ALIAS_ENV_<name>.
 */
export function linkEnvironment({ name, alias, address, env, exposedPorts }: LinkedContainer): string[] {
  const prefix = alias.toUpperCase().replaceAll('-', '_');
  const ports = portsOf(exposedPorts);
  const variables: string[] = [];
  const url = ({ number, protocol }: ExposedPort) => `${protocol}://${address}:${number}`;
  const keyOf = ({ number, protocol }: ExposedPort) => `${prefix}_PORT_${number}_${protocol.toUpperCase()}`;
  if (ports[0] !== undefined) variables.push(`${prefix}_PORT=${url(ports[0])}`);
  for (const port of ports) {
    const key = keyOf(port);
    variables.push(
      `${key}=${url(port)}`,
      `${key}_ADDR=${address}`,
      `${key}_PORT=${port.number}`,
      `${key}_PROTO=${port.protocol}`,
    );
  }
  for (const [first, last] of rows(ports)) {
    const key = keyOf(first);
    variables.push(
      `${key}_START=${url(first)}`,
      `${key}_PORT_START=${first.number}`,
      `${key}_END=${url(last)}`,
      `${key}_PORT_END=${last.number}`,
    );
  }
  variables.push(`${prefix}_NAME=${name}`);
  for (const entry of env) {
    const at = entry.indexOf('=');
    if (at > 0 && !OWN_VARIABLES.includes(entry.slice(0, at))) variables.push(`${prefix}_ENV_${entry}`);
  }
  return variables;
}

/** Each port on its own, TCP before other protocols, lower numbers first. */
export function portsOf(exposedPorts: readonly string[]): ExposedPort[] {
  const ports = exposedPorts.flatMap((key) => {
    const [range = '', protocol = 'tcp'] = key.split('/');
    const [first = '', last = first] = range.split('-');
    const count = Math.max(0, Number(last) - Number(first) + 1);
    return Array.from({ length: count }, (_, index) => ({ number: Number(first) + index, protocol }));
  });
  const rank = ({ protocol }: ExposedPort) => (protocol === 'tcp' ? '' : protocol);
  return ports.sort((one, other) =>
    rank(one) === rank(other) ? one.number - other.number : rank(one) < rank(other) ? -1 : 1,
  );
}

/** First and last of each two or more ports in a row. */
function rows(ports: readonly ExposedPort[]): [ExposedPort, ExposedPort][] {
  const found: [ExposedPort, ExposedPort][] = [];
  for (const port of ports) {
    const row = found.at(-1);
    if (row !== undefined && row[1].protocol === port.protocol && port.number === row[1].number + 1) row[1] = port;
    else found.push([port, port]);
  }
  return found.filter(([first, last]) => first !== last);
}
