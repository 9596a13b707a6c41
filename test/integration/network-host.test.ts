import assert from 'node:assert/strict';
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { listMounts } from '../../src/linux/mount.ts';
import { LocalNetworks } from '../../src/network/local-networks.ts';
import { bridged, bridgeOptions } from '../support/network-requests.ts';

const BRIDGE = 'gantrytest0';
const MIRROR = 'deb.debian.org';
const fetchRelease = [
  '-c',
  `exec 3<>/dev/tcp/${MIRROR}/80; printf 'HEAD /debian/dists/stable/InRelease HTTP/1.0\\r\\nHost: ${MIRROR}\\r\\n\\r\\n' >&3; head -1 <&3`,
];

function skipReason(): string | false {
  if (process.getuid?.() !== 0) return 'needs root';
  const host = spawnSync('bash', fetchRelease, { encoding: 'utf8', timeout: 10_000 });
  return host.stdout.startsWith('HTTP/') ? false : `this machine itself does not reach ${MIRROR}`;
}

const traces = (): string =>
  [
    execFileSync('ip', ['-o', 'link', 'show', 'type', 'bridge'], { encoding: 'utf8' }),
    execFileSync('nft', ['list', 'tables'], { encoding: 'utf8' }),
  ]
    .join()
    .split('\n')
    .filter((line) => line.includes(BRIDGE))
    .join('\n');

test("on the machine itself: names resolve and Debian's mirror answers through NAT", {
  skip: skipReason(),
}, async () => {
  const execRoot = mkdtempSync(join(tmpdir(), 'gantry-network-host-'));
  const none = { dns: [], dnsSearch: [], dnsOptions: [] };
  const net = new LocalNetworks(bridgeOptions(BRIDGE), {
    execRoot,
    engineId: 'test',
    dns: none,
    hostGatewayIps: [],
    log: { info: () => {}, warn: (message) => assert.fail(message) },
  });
  await net.init([], []);
  try {
    const { path } = net.createSandbox(bridged('one'));
    const { stdout } = await promisify(execFile)('nsenter', [`--net=${path}`, 'bash', ...fetchRelease], {
      timeout: 20_000,
    });
    assert.match(stdout, /^HTTP\/1\.[01] \d{3}/);
  } finally {
    net.releaseSandbox('one');
    await net.close({ keepLive: false });
  }
  assert.equal(traces(), '');
  assert.ok(!listMounts().some((entry) => entry.mountPoint.startsWith(execRoot)));
  rmSync(execRoot, { recursive: true });
});
