import { formatNetwork, type Ipv4Network } from './ipv4.ts';
import { run } from './run.ts';

export interface NatOptions {
  bridgeName: string;
  network: Ipv4Network;
  /** Containers may talk to each other. */
  icc: boolean;
  /** Source addresses of what leaves by another interface become the host's. */
  masquerade: boolean;
}

/**
 * The name of a bridge's table. Every daemon has one of its own, so that several live side by side and each replaces or removes
 * all that it put there in one step. Letters that nft's identifiers lack are written as _ and their code.
 */
export function tableName(bridgeName: string): string {
  return `gantry_${bridgeName.replace(/[^A-Za-z0-9.]/g, (letter) => `_${letter.charCodeAt(0).toString(16)}`)}`;
}

/**
 * The rules as nft(8) reads them. The first two lines make the script say the whole content of the table: it may be there or not, and
 * is replaced in one transaction, with no moment in between. Accepting ends this table's chain alone; other tables (a dockerd's, a
 * firewall's) still have their say: see forward-policy.ts.
 */
export function natScript(options: NatOptions): string {
  const table = tableName(options.bridgeName);
  const bridge = `"${options.bridgeName}"`;
  const masquerade = `ip saddr ${formatNetwork(options.network)} oifname != ${bridge} masquerade`;
  return `table ip ${table}
delete table ip ${table}
table ip ${table} {
  chain forward {
    type filter hook forward priority filter; policy accept;
    oifname ${bridge} ct state established,related accept
    iifname ${bridge} oifname ${bridge} ${options.icc ? 'accept' : 'drop'}
    oifname ${bridge} drop
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
${options.masquerade ? `    ${masquerade}\n` : ''}  }
}
`;
}

/** Puts the rules in place, whatever was there before. One process, 4 ms. */
export async function installNat(options: NatOptions): Promise<void> {
  await run('nft', ['-f', '-'], natScript(options));
}

/** Removes the table if it is there. */
export async function removeNat(bridgeName: string): Promise<void> {
  const table = tableName(bridgeName);
  await run('nft', ['-f', '-'], `table ip ${table}\ndelete table ip ${table}\n`);
}
