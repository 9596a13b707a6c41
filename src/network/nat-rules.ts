import type { LinkRule, OpenPort } from './contract.ts';
import type { GatewayMode } from './drivers/options.ts';
import { type Family, formatNetwork, type IpNetwork, isIpv6 } from './ip.ts';
import { run } from './run.ts';

export interface BridgeRules {
  bridgeName: string;
  subnets: readonly IpNetwork[];
  /** Containers may talk to each other. */
  icc: boolean;
  /** Source addresses of what leaves by another interface become the host's. */
  masquerade: boolean;
  /** Nothing goes between its containers and other networks. */
  internal: boolean;
  modes: Readonly<Record<Family, GatewayMode>>;
  /** Source addresses instead of those that the route decides on; "" for none. */
  sources: Readonly<Record<Family, string>>;
  /** Interfaces of the host from which all ports are open. */
  trusted: readonly string[];
  /** In routed mode: what is open at the containers' own addresses. */
  open: readonly OpenPort[];
  /** Without icc: what its containers may reach of each other all the same. */
  links: readonly LinkRule[];
}

/** Which there are rules for: the others go as if we were not there. */
export interface Families {
  4: boolean;
  6: boolean;
}

const BOTH: Families = { 4: true, 6: true };

/**
 * The name of a daemon's table, after its default bridge. Every daemon has one of its own, so that several live side by side and each
 * replaces or removes all that it put there in one step. Letters that nft's identifiers lack are written as _ and their code.
 */
export function tableName(bridgeName: string): string {
  return `gantry_${identifier(bridgeName)}`;
}

/**
 * The rules of all bridges as nft(8) reads them. The first two lines make the script say the whole content of the table: it may be there
 * or not, and is replaced in one transaction, with no moment in between. Which rules a packet meets is looked up by interface and
 * address: the cost does not grow with the number of networks. What no rule lets to a bridge is dropped, so that bridges are apart
 * from each other and from outside; what another table has redirected there (a published port) may pass. Accepting ends this table's
 * chain alone; other tables (a dockerd's, a firewall's) still have their say: see forward-policy.ts.
 */
export function natScript(table: string, bridges: readonly BridgeRules[], families: Families = BOTH): string {
  const to = bridges.map((bridge) => `"${bridge.bridgeName}" : goto to_${identifier(bridge.bridgeName)}`);
  const from = bridges
    .filter((bridge) => bridge.internal)
    .map((bridge) => `"${bridge.bridgeName}" : jump from_${identifier(bridge.bridgeName)}`);
  const leaving = (family: 4 | 6) =>
    (families[family] ? bridges : [])
      .filter((bridge) => bridge.masquerade && !bridge.internal)
      .flatMap((bridge) =>
        bridge.subnets
          .filter((subnet) => subnet.family === family && bridge.modes[family] !== 'routed')
          .map((subnet) => `${formatNetwork(subnet)} : goto leave_${identifier(bridge.bridgeName)}`),
      );
  return `table inet ${table}
delete table inet ${table}
table inet ${table} {
${bridges.map(chainsOf).join('')}${map('to', 'ifname', to)}${map('from', 'ifname', from)}${map('leaving4', 'ipv4_addr', leaving(4))}${map('leaving6', 'ipv6_addr', leaving(6))}  chain forward {
    type filter hook forward priority filter; policy accept;
${families[4] ? '' : '    meta nfproto ipv4 accept\n'}${families[6] ? '' : '    meta nfproto ipv6 accept\n'}    ct state established,related accept
    iifname vmap @from
    oifname vmap @to
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr vmap @leaving4
    ip6 saddr vmap @leaving6
  }
}
`;
}

/** Puts the rules in place, whatever was there before. One process, 4 ms. */
export async function installNat(table: string, bridges: readonly BridgeRules[], families: Families): Promise<void> {
  await run('nft', ['-f', '-'], natScript(table, bridges, families));
}

function chainsOf(bridge: BridgeRules): string {
  const name = `"${bridge.bridgeName}"`;
  const suffix = identifier(bridge.bridgeName);
  const linked = bridge.icc || bridge.links.length === 0 ? [] : bridge.links;
  const lines: string[] = [];
  if (linked.length > 0) {
    const elements = new Set(linked.map(({ from, to, protocol, port }) => `${from} . ${to} . ${protocol} . ${port}`));
    lines.push(
      `  set links_${suffix} {`,
      '    type ipv4_addr . ipv4_addr . inet_proto . inet_service',
      `    elements = { ${[...elements].join(', ')} }`,
      '  }',
    );
  }
  for (const family of routedFamilies(bridge)) {
    const elements = bridge.open
      .filter(({ address }) => isIpv6(address) === (family === 6))
      .map(({ address, protocol, port }) => `${address} . ${protocol} . ${port}`);
    lines.push(
      `  set open${family}_${suffix} {`,
      `    type ipv${family}_addr . inet_proto . inet_service`,
      ...(elements.length === 0 ? [] : [`    elements = { ${[...new Set(elements)].join(', ')} }`]),
      '  }',
    );
  }
  lines.push(`  chain to_${suffix} {`);
  if (linked.length > 0) {
    lines.push(`    iifname ${name} ip saddr . ip daddr . meta l4proto . th dport @links_${suffix} accept`);
  }
  lines.push(`    iifname ${name} ${bridge.icc ? 'accept' : 'drop'}`);
  if (!bridge.internal) {
    if (bridge.trusted.length > 0) {
      lines.push(`    iifname { ${bridge.trusted.map((trusted) => `"${trusted}"`).join(', ')} } accept`);
    }
    lines.push('    ct status dnat accept', ...openings(bridge));
  }
  lines.push('    drop', '  }');
  if (bridge.internal) lines.push(`  chain from_${suffix} {`, `    oifname != ${name} drop`, '  }');
  if (bridge.masquerade && !bridge.internal) {
    lines.push(`  chain leave_${suffix} {`);
    for (const family of [4, 6] as const) {
      const source = bridge.sources[family];
      const ip = family === 4 ? 'ip' : 'ip6';
      if (source !== '') lines.push(`    meta nfproto ipv${family} oifname != ${name} snat ${ip} to ${source}`);
    }
    lines.push(`    oifname != ${name} masquerade`, '  }');
  }
  return `${lines.join('\n')}\n`;
}

function routedFamilies({ modes, internal }: BridgeRules): Family[] {
  return ([4, 6] as const).filter((family) => modes[family] === 'routed' && !internal);
}

/** What is open without being translated. */
function openings(bridge: BridgeRules): string[] {
  const suffix = identifier(bridge.bridgeName);
  const unprotected = ([4, 6] as const).filter((family) => bridge.modes[family] === 'nat-unprotected');
  return [
    ...unprotected.map((family) => `    meta nfproto ipv${family} accept`),
    ...routedFamilies(bridge).flatMap((family) => [
      `    meta nfproto ipv${family} meta l4proto ${family === 4 ? 'icmp' : 'ipv6-icmp'} accept`,
      `    ${family === 4 ? 'ip' : 'ip6'} daddr . meta l4proto . th dport @open${family}_${suffix} accept`,
    ]),
  ];
}

/** A map from a key to what happens; nft takes no empty list of elements. */
function map(name: string, type: string, elements: readonly string[]): string {
  const flags = type === 'ifname' ? '' : '\n    flags interval';
  const list = elements.length === 0 ? '' : `\n    elements = { ${elements.join(', ')} }`;
  return `  map ${name} {\n    type ${type} : verdict${flags}${list}\n  }\n`;
}

function identifier(name: string): string {
  return name.replace(/[^A-Za-z0-9.]/g, (letter) => `_${letter.charCodeAt(0).toString(16)}`);
}
