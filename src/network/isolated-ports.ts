import { writeFileSync } from 'node:fs';

/**
 * Makes a bridge whose ports are isolated from each other a router between them, so that the rules of the forward hook decide what goes
 * through: it answers for the addresses of all its ports (RFC 3069), at once, and does not tell senders of a shorter way, there is none.
 */
export function routeBetweenPorts(bridgeName: string): void {
  writeFileSync(`/proc/sys/net/ipv4/neigh/${bridgeName}/proxy_delay`, '0');
  writeFileSync(`/proc/sys/net/ipv4/conf/${bridgeName}/send_redirects`, '0');
  writeFileSync(`/proc/sys/net/ipv4/conf/${bridgeName}/proxy_arp_pvlan`, '1');
}
