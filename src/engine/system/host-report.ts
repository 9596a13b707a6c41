import { readdirSync, readFileSync } from 'node:fs';
import os from 'node:os';

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}

/** "Debian GNU/Linux 12 (bookworm)" and the version number, from os-release(5). */
export function operatingSystem(): { name: string; version: string } {
  const text = read('/etc/os-release') || read('/usr/lib/os-release');
  const field = (key: string): string =>
    (new RegExp(`^${key}=(.*)$`, 'm').exec(text)?.[1] ?? '').replace(/^["']|["']$/g, '');
  return { name: field('PRETTY_NAME') || 'linux', version: field('VERSION_ID') };
}

/** The machine's hardware name, as uname prints it. */
export const machine = (): string => os.machine();

export const openFiles = (): number => readdirSync('/proc/self/fd').length;

export const flag = (path: string): boolean => read(path) === '1';
