/** The ways in which the CLI reaches an engine that is not behind a local socket: TCP with TLS, ssh, contexts of both. */

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';

const root = path.resolve(import.meta.dirname, '../..');
const skip = process.getuid?.() !== 0 ? 'needs root' : !existsSync('/usr/bin/busybox') ? 'needs busybox-static' : false;

let daemon: TestDaemon;
let scratch = '';
let port = 0;
let env: NodeJS.ProcessEnv = {};

/** `--rm` and no network: the container is not what is tested. */
const RUN = ['run', '--rm', '--network', 'none'];

function gantry(args: string[], more: NodeJS.ProcessEnv = {}, input: string | Buffer = '') {
  const result = spawnSync(`${root}/bin/gantry`, args, { env: { ...env, ...more }, input, maxBuffer: 1 << 28 });
  return { status: result.status, stdout: String(result.stdout), stderr: String(result.stderr) };
}

async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function makeCertificates(): void {
  const openssl = (line: string) => execFileSync('openssl', line.split(' '), { stdio: 'ignore', cwd: scratch });
  writeFileSync(`${scratch}/server.ext`, 'subjectAltName=DNS:localhost,IP:127.0.0.1\n');
  writeFileSync(`${scratch}/client.ext`, 'extendedKeyUsage=clientAuth\n');
  openssl('req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=ca -keyout ca-key.pem -out ca.pem');
  openssl('req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=other -keyout other-key.pem -out other.pem');
  for (const name of ['server', 'client']) {
    openssl(`req -newkey rsa:2048 -nodes -subj /CN=${name} -keyout ${name}-key.pem -out ${name}.csr`);
    openssl(
      `x509 -req -in ${name}.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 2 -extfile ${name}.ext -out ${name}.pem`,
    );
  }
  mkdirSync(`${scratch}/certs`);
  copyFileSync(`${scratch}/ca.pem`, `${scratch}/certs/ca.pem`);
  copyFileSync(`${scratch}/client.pem`, `${scratch}/certs/cert.pem`);
  copyFileSync(`${scratch}/client-key.pem`, `${scratch}/certs/key.pem`);
}

describe('engines that are elsewhere', { skip }, () => {
  before(async () => {
    scratch = mkdtempSync(`${tmpdir()}/gantry-hosts-`);
    makeCertificates();
    port = await freePort();
    const flags = ['-H', `tcp://127.0.0.1:${port}`, '--tlsverify', '--tlscacert', `${scratch}/ca.pem`];
    flags.push('--tlscert', `${scratch}/server.pem`, '--tlskey', `${scratch}/server-key.pem`);
    daemon = await startDaemon({ flags });
    env = { PATH: `${scratch}/bin:${process.env.PATH}`, HOME: scratch };
    const rootfs = spawnSync(`${root}/scripts/busybox-rootfs`, { maxBuffer: 1 << 28 });
    const loaded = gantry(['-H', `unix://${daemon.socket}`, 'import', '-', 'hosts-test'], {}, rootfs.stdout);
    assert.equal(loaded.status, 0, loaded.stderr);
  });
  after(async () => {
    await daemon?.[Symbol.asyncDispose]();
    rmSync(scratch, { recursive: true, force: true });
  });

  describe('TLS', () => {
    const tls = () => ({
      DOCKER_TLS_VERIFY: '1',
      DOCKER_CERT_PATH: `${scratch}/certs`,
      DOCKER_HOST: `tcp://localhost:${port}`,
    });

    test('streams pass both ways, and the end of stdin does not cut the answer off', () => {
      const large = Buffer.alloc(3_000_000, 'x');
      for (let round = 0; round < 3; round++) {
        assert.deepEqual(gantry([...RUN, '-i', 'hosts-test', 'cat'], tls(), 'to and fro\n'), {
          status: 0,
          stdout: 'to and fro\n',
          stderr: '',
        });
      }
      assert.equal(gantry([...RUN, '-i', 'hosts-test', 'wc', '-c'], tls(), large).stdout.trim(), '3000000');
      assert.equal(gantry([...RUN, 'hosts-test', 'sh', '-c', 'exit 9'], tls()).status, 9);
    });

    test('flags for the files', () => {
      const files = ['--tlsverify', '--tlscacert', `${scratch}/ca.pem`, '--tlscert', `${scratch}/client.pem`];
      files.push('--tlskey', `${scratch}/client-key.pem`);
      assert.equal(gantry(['-H', `tcp://127.0.0.1:${port}`, ...files, 'ps', '-q']).status, 0);
    });

    const refusals: [string, string[], NodeJS.ProcessEnv, RegExp][] = [
      ['no certificate', ['--tls', '--tlscacert', 'ca.pem'], {}, /remote error: tls: certificate required/],
      [
        'another authority',
        ['--tlsverify', '--tlscacert', 'other.pem', '--tlscert', 'client.pem', '--tlskey', 'client-key.pem'],
        {},
        /x509: certificate signed by unknown authority/,
      ],
      [
        'a key of another certificate',
        ['--tlsverify', '--tlscacert', 'ca.pem', '--tlscert', 'client.pem', '--tlskey', 'other-key.pem'],
        {},
        /^Failed to initialize: .*: tls: private key does not match public key$/m,
      ],
      [
        'no authority',
        ['--tlsverify'],
        { DOCKER_CERT_PATH: '/nowhere' },
        /open \/nowhere\/ca.pem: no such file or dir/,
      ],
      ['an authority that is none', ['--tlsverify', '--tlscacert', 'server.ext'], {}, /ca.pem seems invalid/],
    ];
    for (const [name, flags, more, message] of refusals) {
      test(`refused: ${name}`, () => {
        const args = flags.map((flag) => (/\.(pem|ext)$/.test(flag) ? `${scratch}/${flag}` : flag));
        const result = gantry(['-H', `tcp://127.0.0.1:${port}`, ...args, 'ps'], more);
        assert.equal(result.status, 1);
        assert.match(result.stderr, message);
      });
    }

    test('a context carries its files through export and import', () => {
      const files = `ca=${scratch}/ca.pem,cert=${scratch}/client.pem,key=${scratch}/client-key.pem`;
      const host = `host=tcp://127.0.0.1:${port}`;
      assert.equal(gantry(['context', 'create', 'far', '--docker', `${host},${files}`]).status, 0);
      assert.equal(gantry(['context', 'export', 'far', `${scratch}/far.tar`]).status, 0);
      assert.equal(gantry(['context', 'import', 'again', `${scratch}/far.tar`]).status, 0);
      assert.equal(gantry(['context', 'rm', 'far']).status, 0);
      assert.deepEqual(gantry(['-c', 'again', ...RUN, '-i', 'hosts-test', 'cat'], {}, 'by context'), {
        status: 0,
        stdout: 'by context',
        stderr: '',
      });
      assert.equal(gantry(['context', 'use', 'again']).status, 0);
      assert.equal(gantry(['images', '--format', '{{.Repository}}']).stdout, 'hosts-test\n');
      const removed = gantry(['context', 'rm', 'again', 'nope']);
      assert.equal(removed.status, 1);
      assert.match(removed.stderr, /context "again" is in use/);
      assert.match(removed.stderr, /context "nope" does not exist/);
      assert.equal(gantry(['context', 'rm', '-f', 'again']).status, 0);
      assert.equal(gantry(['context', 'show']).stdout, 'default\n');
    });
  });

  // What ssh does is ssh's matter: this one runs the far side's command here, and keeps its own arguments.
  describe('ssh', () => {
    before(() => {
      mkdirSync(`${scratch}/bin`);
      writeFileSync(
        `${scratch}/bin/ssh`,
        `#!/bin/sh
printf '%s\\n' "$@" > '${scratch}/arguments'
while [ "$1" != -- ]; do shift; done
[ "$2" != far.example ] || { echo 'no way there' >&2; exit 255; }
shift 2
exec sh -c "$*"
`,
      );
      writeFileSync(`${scratch}/bin/gantry`, `#!/bin/sh\nexec '${root}/bin/gantry' "$@"\n`);
      for (const name of ['ssh', 'gantry']) chmodSync(`${scratch}/bin/${name}`, 0o755);
    });

    test('streams, exit codes, and the socket that the address names', () => {
      const address = `ssh://me@host.example:2222${daemon.socket}`;
      assert.deepEqual(gantry(['-H', address, ...RUN, '-i', 'hosts-test', 'cat'], {}, 'over ssh\n'), {
        status: 0,
        stdout: 'over ssh\n',
        stderr: '',
      });
      assert.equal(gantry(['-H', address, ...RUN, 'hosts-test', 'sh', '-c', 'exit 7']).status, 7);
      assert.equal(gantry(['context', 'create', 'by-ssh', '--docker', `host=${address}`]).status, 0);
      assert.equal(gantry(['-c', 'by-ssh', 'images', '-q']).stdout.length, 13);
    });

    test('a path with quotes is a path, not a command', () => {
      const result = gantry(['-H', `ssh://host/x';touch ${scratch}/owned;'`, 'ps']);
      assert.equal(result.status, 1);
      assert.equal(existsSync(`${scratch}/owned`), false);
    });

    const refusals: [string, RegExp][] = [
      ['ssh://far.example', /has exited with exit status 255.*stderr=no way there/],
      ['ssh://me:secret@host', /plain-text password is not supported/],
      ['ssh://host?x=1', /query parameters are not allowed: "x=1"/],
      ['ssh://', /hostname is empty/],
      ['ssh://-oProxyCommand=x', /invalid bind address format/],
    ];
    for (const [address, message] of refusals) {
      test(`refused: ${address}`, () => {
        const result = gantry(['-H', address, 'ps']);
        assert.equal(result.status, 1);
        assert.match(result.stderr, message);
      });
    }
  });
});
