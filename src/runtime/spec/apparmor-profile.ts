import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { GantryError } from '../../api/errors.ts';

export const DEFAULT_APPARMOR_PROFILE = 'gantry-default';

/** Loads profiles into the kernel; an engine on a host without it leaves AppArmor alone. */
export const APPARMOR_PARSER = '/sbin/apparmor_parser';

const LOADED = '/sys/kernel/security/apparmor/profiles';

/**
 * The default profile's text (apparmor.d(5)): free within the container, but no mounts, nothing written to the kernel's
 * controls in /proc and /sys, ptrace and signals only among containers. Same confinement as Docker's docker-default.
 */
export function appArmorProfile(name: string, etc = '/etc/apparmor.d'): string {
  const preamble = [
    // From ABI 4 on, "network" no longer covers unix sockets.
    ...(existsSync(`${etc}/abi/3.0`) ? ['abi <abi/3.0>,'] : []),
    ...(existsSync(`${etc}/tunables/global`) ? ['include <tunables/global>'] : ['@{PROC}=/proc/']),
  ];
  const base = existsSync(`${etc}/abstractions/base`) ? ['include <abstractions/base>'] : [];
  const rules = [
    ...base,
    'network,',
    'capability,',
    'file,',
    'umount,',
    // Who may stop a container: the host, the runtimes where they are confined themselves, and its own processes.
    'signal (receive) peer=unconfined,',
    'signal (receive) peer=runc,',
    'signal (receive) peer=crun,',
    `signal (send,receive) peer=${name},`,
    `ptrace (trace,read,tracedby,readby) peer=${name},`,
    'deny mount,',
    // /proc: only below a process's own directory and in sys/kernel/shm*.
    'deny @{PROC}/* w,',
    'deny @{PROC}/{[^1-9],[^1-9][^0-9],[^1-9s][^0-9y][^0-9s],[^1-9][^0-9][^0-9][^0-9/]*}/** w,',
    'deny @{PROC}/sys/[^k]** w,',
    'deny @{PROC}/sys/kernel/{?,??,[^s][^h][^m]**} w,',
    'deny @{PROC}/{sysrq-trigger,kcore} rwklx,',
    // /sys: only cgroups.
    ...['[^f]*', 'f[^s]*', 'fs/[^c]*', 'fs/c[^g]*', 'fs/cg[^r]*'].map((part) => `deny /sys/${part}/** wklx,`),
    ...['firmware', 'devices/virtual/powercap', 'kernel/security'].map((part) => `deny /sys/${part}/** rwklx,`),
  ];
  const body = rules.map((rule) => `  ${rule}`).join('\n');
  return `${preamble.join('\n')}\n\nprofile ${name} flags=(attach_disconnected,mediate_deleted) {\n${body}\n}\n`;
}

/** Whether the kernel has a profile of that name. False where AppArmor is off. */
function isAppArmorProfileLoaded(name: string): boolean {
  try {
    return readFileSync(LOADED, 'utf8')
      .split('\n')
      .some((line) => line.startsWith(`${name} (`));
  } catch {
    return false;
  }
}

/**
 * Loads the default profile unless the kernel has it. Called before each start, because upgrades of the host's AppArmor
 * unload profiles that lie in no file. Throws system when apparmor_parser is missing or refuses.
 */
export async function ensureAppArmorProfile(name: string): Promise<void> {
  if (isAppArmorProfileLoaded(name)) return;
  await new Promise<void>((resolve, reject) => {
    const parser = spawn(APPARMOR_PARSER, ['-Kr'], { stdio: ['pipe', 'ignore', 'pipe'] });
    let stderr = '';
    parser.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    parser.on('error', (cause) => reject(failure(name, cause.message)));
    parser.on('close', (code) => (code === 0 ? resolve() : reject(failure(name, stderr.trim()))));
    parser.stdin.on('error', () => {});
    parser.stdin.end(appArmorProfile(name));
  });
}

function failure(name: string, why: string): GantryError {
  return new GantryError('system', `AppArmor enabled on system but the ${name} profile could not be loaded: ${why}`, {
    hint: 'install the package apparmor, which brings apparmor_parser',
  });
}
