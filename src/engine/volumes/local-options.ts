import { lookup } from 'node:dns/promises';
import { isIPv4 } from 'node:net';
import { GantryError, messageOf } from '../../api/errors.ts';
import { parseBytes } from '../../api/units.ts';

/** Options of the local driver; each of the first three needs those beside it. */
const NEEDS: Record<string, readonly string[]> = {
  device: ['type'],
  type: ['device'],
  o: ['device', 'type'],
  size: [],
};

/** Finds the address of a host. */
export type Resolve = (host: string) => Promise<string>;

const invalid = (message: string) => new GantryError('invalid_parameter', message);

/** Throws invalid_parameter as dockerd's local driver does. `quotas`: whether the file system can limit a volume's size. */
export function checkLocalOptions(options: Readonly<Record<string, string>>, quotas: boolean): void {
  for (const key of Object.keys(options)) {
    if (NEEDS[key] === undefined) throw invalid(`invalid option: ${JSON.stringify(key)}`);
  }
  if (options.type === 'cifs' && /^[^/]*\/\/[^/]*:\d+(\/|$)/.test(options.device ?? '')) {
    throw invalid("port not allowed in CIFS device URL, include 'port' in 'o='");
  }
  if (options.size !== undefined) {
    // What is mounted from elsewhere has a size of its own.
    if (sizeOf(options) > 0 && (!quotas || needsMount(options))) {
      throw invalid('quota size requested but no quota support');
    }
  }
  for (const [key, others] of Object.entries(NEEDS)) {
    if (options[key] === undefined) continue;
    const missing = others.find((other) => options[other] === undefined);
    if (missing !== undefined) throw invalid(`missing required option: ${JSON.stringify(missing)}`);
  }
}

/** Bytes that the volume may take, 0 for no limit. Throws invalid_parameter. */
export function sizeOf(options: Readonly<Record<string, string>> | null): number {
  if (options?.size === undefined) return 0;
  const size = parseBytes(options.size);
  if (size === null) throw invalid(`invalid size: '${options.size}'`);
  return size;
}

/** Whether the volume's directory is a mount point while it is in use. */
export function needsMount(options: Readonly<Record<string, string>> | null): boolean {
  return Boolean(options?.type || options?.device);
}

/**
 * Device and options as mount(2) takes them: the kernel's network file systems know addresses, not names. Throws system when a name
 * has no address.
 */
export async function mountArguments(
  options: Readonly<Record<string, string>>,
  resolve: Resolve = addressOf,
): Promise<{ type: string; device: string; options: string }> {
  const { type = '', device = '', o = '' } = options;
  if (device === '') throw new GantryError('system', 'missing device in volume options');
  if (!['nfs', 'nfs4', 'cifs'].includes(type)) return { type, device, options: o };
  const given = o.split(',').find((word) => word.startsWith('addr='));
  const host = given?.slice('addr='.length) ?? '';
  if (host !== '') {
    if (isIPv4(host)) return { type, device, options: o };
    const address = await resolved(host, resolve);
    return { type, device, options: o.replace(`addr=${host}`, `addr=${address}`) };
  }
  const server = type === 'cifs' ? /^(\/\/)([^/]+)(.*)$/.exec(device) : null;
  if (server === null) return { type, device, options: o };
  return { type, device: `//${await resolved(server[2]!, resolve)}${server[3]}`, options: o };
}

async function resolved(host: string, resolve: Resolve): Promise<string> {
  try {
    return await resolve(host);
  } catch (cause) {
    throw new GantryError('system', `error resolving passed in network volume address: ${messageOf(cause)}`, { cause });
  }
}

/** IPv4 where there is one, as dockerd has it. */
async function addressOf(host: string): Promise<string> {
  return (await lookup(host, { order: 'ipv4first' })).address;
}

/** A mount's options without the password that a file server's may hold, for messages. */
export function withoutPassword(text: string): string {
  return text.replace(/password=[^,\s]*/g, 'password=********');
}
