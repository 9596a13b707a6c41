/** Where the daemon listens and whom it lets in: unix and tcp sockets, sockets of a service manager, TLS, groups. */
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { request as httpsRequest } from 'node:https';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startDaemon } from '../support/daemon.ts';

const path = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const ACTIVATE = ['python3', path('test/support/activate.py')];
const GANTRY = path('bin/gantry');
const scratch = mkdtempSync(join(tmpdir(), 'gantry-sockets-'));
after(() => rmSync(scratch, { recursive: true }));

/** A port of 127.0.0.1 that nobody has. */
function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

/** Status of GET /_ping. */
function ping(where: http.RequestOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = http.get({ path: '/_ping', agent: false, ...where }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    request.on('error', reject);
  });
}

/** Certificates of a CA of the tests' own: server, client; and a client's of another CA. Flags that name them. */
function makeCertificates(): { server: string[]; client: string[]; stranger: string[] } {
  const openssl = (line: string) => execFileSync('openssl', line.split(' '), { stdio: 'ignore', cwd: scratch });
  writeFileSync(join(scratch, 'ext'), 'subjectAltName=IP:127.0.0.1');
  const flags = (name: string) => [
    ...['--tlsverify', '--tlscacert', join(scratch, 'ca.pem')],
    ...['--tlscert', join(scratch, `${name}.pem`), '--tlskey', join(scratch, `${name}-key.pem`)],
  ];
  for (const [ca, names] of [
    ['ca', ['server', 'client']],
    ['other', ['stranger']],
  ] as const) {
    openssl(`req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=${ca} -keyout ${ca}-key.pem -out ${ca}.pem`);
    for (const name of names) {
      openssl(`req -newkey rsa:2048 -nodes -subj /CN=${name} -keyout ${name}-key.pem -out ${name}.csr`);
      openssl(
        `x509 -req -days 2 -in ${name}.csr -CA ${ca}.pem -CAkey ${ca}-key.pem -CAcreateserial -extfile ext -out ${name}.pem`,
      );
    }
  }
  return { server: flags('server'), client: flags('client'), stranger: flags('stranger') };
}

const clients = [GANTRY, ...(spawnSync('docker', ['--version']).status === 0 ? ['docker'] : [])];

describe('sockets of the daemon', () => {
  test('several at once, each serving', async () => {
    const [one, two] = [await freePort(), await freePort()];
    const other = join(scratch, 'other.sock');
    await using daemon = await startDaemon({
      // A place that is named twice is one place.
      flags: [
        '-H',
        `tcp://127.0.0.1:${one}`,
        '-H',
        `127.0.0.1:${two}`,
        ...['-H', `unix://${other}`, '-H', `unix://${other}`],
      ],
    });
    const places = [{ socketPath: daemon.socket }, { socketPath: other }, { port: one }, { port: two }];
    for (const where of places) assert.equal(await ping(where), 200);
    assert.match(daemon.logs(), /without --tlsverify is insecure/);
    const { Warnings: warnings } = (await daemon.request('GET', '/info')).json;
    for (const port of [one, two]) {
      const warning = `API is accessible on http://127.0.0.1:${port} without encryption`;
      assert.ok(
        warnings.some((text: string) => text.includes(warning)),
        warning,
      );
    }
    await daemon.stop();
    assert.deepEqual([existsSync(daemon.socket), existsSync(other)], [false, false]);
  });

  test('one that is taken stops the start, and nothing is left of the others', async () => {
    await using daemon = await startDaemon();
    const mine = join(scratch, 'mine.sock');
    await assert.rejects(
      startDaemon({ flags: ['-H', `unix://${mine}`, '-H', `unix://${daemon.socket}`] }),
      /failed to listen on unix socket .*: another daemon answers there/,
    );
    assert.equal(existsSync(mine), false);
    assert.equal(await ping({ socketPath: daemon.socket }), 200);
  });

  test('from a service manager: served, left where they are, and not handed on', async () => {
    const [socket, port] = [join(scratch, 'activated.sock'), await freePort()];
    await using daemon = await startDaemon({
      through: [...ACTIVATE, socket, String(port), '--'],
      flags: ['-H', 'fd://'],
    });
    assert.equal(await ping({ socketPath: socket }), 200);
    assert.equal(await ping({ port }), 200);
    const fds = readdirSync(`/proc/${daemon.pid}/fdinfo`);
    for (const fd of ['3', '4']) {
      assert.ok(fds.includes(fd));
      const flags = /^flags:\s+(\d+)$/m.exec(readFileSync(`/proc/${daemon.pid}/fdinfo/${fd}`, 'utf8'))![1]!;
      assert.notEqual(Number.parseInt(flags, 8) & 0o2000000, 0, `descriptor ${fd} is closed at exec`);
    }
    await daemon.stop();
    assert.equal(existsSync(socket), true);
  });

  test('from a service manager are the default', async () => {
    // Away from the host's own default socket, to which a daemon without -H would go.
    await using daemon = await startDaemon();
    const socket = join(scratch, 'default.sock');
    const at = (name: string) => join(daemon.directory, name);
    const flags = ['--data-root', at('data2'), '--exec-root', at('run2'), '--pidfile', at('pid2'), '--bridge', 'none'];
    const program = [...ACTIVATE, socket, '--', path('bin/gantryd'), ...flags, '--config-file', at('daemon.json')];
    const second = spawn(program[0]!, program.slice(1), { stdio: 'ignore' });
    const ended = new Promise((resolve) => second.once('exit', resolve));
    while (!(await ping({ socketPath: socket }).catch(() => null))) await sleep(20);
    second.kill('SIGTERM');
    assert.equal(await ended, 0);
  });

  test('from a service manager: TLS holds for those of a network', async () => {
    const { server, client } = makeCertificates();
    const [socket, port] = [join(scratch, 'tls.sock'), await freePort()];
    await using daemon = await startDaemon({
      through: [...ACTIVATE, socket, String(port), '--'],
      flags: ['-H', 'fd://', ...server],
    });
    assert.ok(daemon.pid > 0);
    assert.equal(await ping({ socketPath: socket }), 200);
    assert.notEqual(await ping({ port }).catch(() => 'refused'), 200);
    const allowed = spawnSync(GANTRY, [...client, '-H', `tcp://127.0.0.1:${port}`, 'ps'], { encoding: 'utf8' });
    assert.equal(allowed.status, 0, allowed.stderr);
  });

  test('from a service manager: one by its number, and none where there is none', async () => {
    const [first, second] = [join(scratch, 'first.sock'), join(scratch, 'second.sock')];
    await using daemon = await startDaemon({
      through: [...ACTIVATE, first, second, '--'],
      flags: ['-H', 'fd://4'],
    });
    assert.ok(daemon.pid > 0);
    assert.equal(await ping({ socketPath: second }), 200);
    await assert.rejects(startDaemon({ flags: ['-H', 'fd://'] }), /no sockets found via socket activation/);
    await assert.rejects(
      startDaemon({ through: [...ACTIVATE, join(scratch, 'third.sock'), '--'], flags: ['-H', 'fd://9'] }),
      /too few socket activated files passed in by systemd/,
    );
  });
});

describe('mutual TLS', () => {
  const { server, client, stranger } = makeCertificates();
  const read = (flags: string[]) => ({ cert: readFileSync(flags[4]!), key: readFileSync(flags[6]!) });

  test('lets in who has a certificate of the CA, and nobody else', async () => {
    const port = await freePort();
    await using daemon = await startDaemon({ flags: [...server, '-H', `tcp://127.0.0.1:${port}`] });
    assert.doesNotMatch(daemon.logs(), /insecure/);
    const ask = (options: object) =>
      new Promise<number>((resolve, reject) => {
        const sent = httpsRequest(
          { host: '127.0.0.1', port, path: '/_ping', ca: readFileSync(server[2]!), agent: false, ...options },
          (response) => {
            response.resume();
            resolve(response.statusCode ?? 0);
          },
        );
        sent.on('error', reject);
        sent.end();
      });
    assert.equal(await ask(read(client)), 200);
    await assert.rejects(ask({}), 'no certificate');
    await assert.rejects(ask(read(stranger)), 'one of another CA');
    await assert.rejects(ask({ ...read(client), maxVersion: 'TLSv1.1' }), 'a protocol that is broken');
    for (const program of clients) {
      const call = (flags: string[]) =>
        spawnSync(program, [...flags, '-H', `tcp://127.0.0.1:${port}`, 'ps', '-q'], { encoding: 'utf8' });
      assert.deepEqual([call(client).status, call(client).stderr], [0, ''], program);
      for (const flags of [stranger, []]) assert.notEqual(call(flags).status, 0, program);
    }
  });

  test('without --tlsverify encrypts and asks nobody who he is', async () => {
    const port = await freePort();
    const flags = ['--tls', ...server.slice(1)];
    await using daemon = await startDaemon({ flags: [...flags, '-H', `tcp://127.0.0.1:${port}`] });
    assert.match(daemon.logs(), /without --tlsverify is insecure/);
    const status = await new Promise((resolve, reject) => {
      const where = { host: '127.0.0.1', port, path: '/_ping', agent: false, ca: readFileSync(server[2]!) };
      const sent = httpsRequest(where, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      sent.on('error', reject);
      sent.end();
    });
    assert.equal(status, 200);
    assert.notEqual(await ping({ port }).catch(() => 'refused'), 200);
  });

  test('names the file that cannot be read', async () => {
    const absent = server.map((word) => (word.endsWith('server.pem') ? '/nowhere.pem' : word));
    await assert.rejects(startDaemon({ flags: absent }), /could not load X509 key pair \(cert: \\?"\/nowhere\.pem/);
  });
});

describe("the socket's group", () => {
  const groupOf = async (...flags: string[]) => {
    await using daemon = await startDaemon({ flags });
    const { gid, mode } = statSync(daemon.socket);
    return { gid, mode: mode & 0o777, logs: daemon.logs() };
  };

  test('by name, by number, also of none that exists', async () => {
    const tty = Number(/^tty:[^:]*:(\d+):/m.exec(readFileSync('/etc/group', 'utf8'))![1]);
    for (const [given, gid] of [
      ['tty', tty],
      [String(tty), tty],
      ['54321', 54_321],
    ] as const) {
      const found = await groupOf('--group', given);
      assert.deepEqual([found.gid, found.mode], [gid, 0o660], given);
    }
  });

  test('that is missing stops the start', async () => {
    await assert.rejects(groupOf('--group', 'no-such-group'), /group no-such-group not found/);
  });
});
