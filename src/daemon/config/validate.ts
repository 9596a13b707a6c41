import { isIP } from 'node:net';
import { isAbsolute } from 'node:path';
import type { DaemonConfig } from './daemon-config.ts';
import { parseHost } from './host.ts';

/** Throws Error for a configuration that cannot be used; messages as dockerd words them. */
export function validate(config: DaemonConfig): void {
  oneOf(
    config,
    'log-level',
    ['panic', 'fatal', 'error', 'warn', 'info', 'debug', 'trace'],
    'invalid logging level: %s',
  );
  oneOf(config, 'log-format', ['text', 'json'], 'invalid log format: %s');
  oneOf(config, 'default-ipc-mode', ['private', 'shareable'], 'IPC mode "%s" is not supported as default value');
  oneOf(config, 'default-cgroupns-mode', ['', 'private', 'host'], 'default cgroup namespace mode "%s" is invalid');
  oneOf(config, 'log-driver', ['json-file', 'local', 'none'], 'log driver "%s" is not supported yet');
  oneOf(config, 'storage-driver', ['overlay2'], 'storage driver "%s" is not supported: Gantry has overlay2');
  for (const host of config.list('hosts')) parseHost(host, config.bool('tls') || config.given('tlsverify'));
  for (const label of config.list('labels')) {
    if (!label.includes('=')) throw new Error(`bad attribute format: ${label}`);
  }
  conflictFreeLabels(config.list('labels'));
  for (const server of config.list('dns')) {
    if (isIP(server) === 0) throw new Error(`IP address is not correctly formatted: ${server}`);
  }
  for (const domain of config.list('dns-search')) {
    if (domain !== '.' && !/^[a-zA-Z0-9_]([a-zA-Z0-9_.-]*[a-zA-Z0-9_.])?$/.test(domain)) {
      throw new Error(`${domain} is not a valid domain`);
    }
  }
  const gateways = config.list('host-gateway-ips');
  for (const address of gateways)
    if (isIP(address) === 0) throw new Error(`invalid host gateway IP address: ${address}`);
  for (const family of [4, 6]) {
    if (gateways.filter((address) => isIP(address) === family).length > 1) {
      throw new Error(`only one IPv${family} host gateway IP address can be specified`);
    }
  }
  for (const [key, name] of [
    ['mtu', 'default MTU'],
    ['max-concurrent-downloads', 'max concurrent downloads'],
    ['max-concurrent-uploads', 'max concurrent uploads'],
    ['max-download-attempts', 'max download attempts'],
  ] as const) {
    if (config.number(key) < 0) throw new Error(`invalid ${name}: ${config.number(key)}`);
  }
  if (config.number('default-shm-size') <= 0) throw new Error('default shm size must be greater than 0');
  validateBridge(config);
  for (const key of ['data-root', 'exec-root']) {
    if (!isAbsolute(config.string(key))) throw new Error(`${key} must be an absolute path: ${config.string(key)}`);
  }
  for (const option of config.list('exec-opts')) {
    const [name = '', value = ''] = option.split('=').map((part) => part.trim());
    if (name === '' || value === '') throw new Error(`invalid exec-opt (${option}): must be formatted 'opt=value'`);
    if (name !== 'native.cgroupdriver') throw new Error(`invalid exec-opt (${option}): unknown option: '${name}'`);
    if (value !== 'cgroupfs')
      throw new Error(`invalid exec-opt (${option}): only the cgroupfs driver is supported yet`);
  }
  for (const mirror of config.list('registry-mirrors')) {
    if (!/^https?:\/\/[^/?#@]+\/?$/.test(mirror)) throw new Error(`invalid mirror: "${mirror}" is not a valid URI`);
  }
  for (const [feature, on] of Object.entries(config.features())) {
    // "buildkit" only steers clients; without it there is nothing that this version could switch.
    if (feature !== 'buildkit' && on) throw new Error(`the feature "${feature}" is not supported yet`);
  }
  if (config.given('live-restore') && !config.bool('live-restore')) {
    throw new Error(
      'live-restore cannot be disabled: containers outlive the daemon; use stop-containers-on-shutdown to stop them with it',
    );
  }
  for (const name of Object.keys(config.runtimes())) {
    if (name === 'runc' || name === 'crun') throw new Error(`runtime name '${name}' is reserved`);
  }
}

/** Labels without repetitions. Throws Error when one key has two values. */
export function conflictFreeLabels(labels: readonly string[]): string[] {
  const found = new Map<string, string>();
  for (const label of labels) {
    const at = label.indexOf('=');
    const [key, value] = [label.slice(0, at), label.slice(at + 1)];
    const other = found.get(key);
    if (other !== undefined && other !== value) {
      throw new Error(`conflict labels for ${key}=${value} and ${key}=${other}`);
    }
    found.set(key, value);
  }
  return [...found].map(([key, value]) => `${key}=${value}`);
}

function validateBridge(config: DaemonConfig): void {
  const bip = config.string('bip');
  const bridge = config.string('bridge');
  if (bip !== '') {
    const [address = '', bits = ''] = bip.split('/');
    if (isIP(address) !== 4 || !/^\d+$/.test(bits) || Number(bits) > 30 || Number(bits) < 8) {
      throw new Error(`invalid CIDR address: ${bip}`);
    }
    if (bridge === 'none') {
      throw new Error('You specified -b=none & --bip. These are mutually exclusive options. Please specify only one');
    }
  }
  oneOf(
    config,
    'firewall-backend',
    ['', 'nftables'],
    'firewall-backend "%s" is not supported: rules are made with nftables',
  );
  if (config.string('userland-proxy-path') !== '') {
    throw new Error('userland-proxy-path cannot be set: the daemon relays by itself, there is no program for it');
  }
  if (isIP(config.string('ip')) === 0) throw new Error(`ip: ${config.string('ip')} is not an IP address`);
  if (Buffer.byteLength(bridge) > 15 || /[\s/]/.test(bridge)) throw new Error(`invalid bridge name: ${bridge}`);
  if (!config.bool('iptables') && !config.bool('icc')) {
    throw new Error(
      'You specified --iptables=false with --icc=false. ICC=false uses iptables to function. Please set --icc or --iptables to true',
    );
  }
}

function oneOf(config: DaemonConfig, key: string, allowed: readonly string[], message: string): void {
  const value = config.string(key);
  if (!allowed.includes(value)) throw new Error(message.replace('%s', value));
}
