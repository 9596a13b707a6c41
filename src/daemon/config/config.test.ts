import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { parseConfig } from './config-file.ts';
import { type DaemonConfig, loadConfig } from './daemon-config.ts';
import { parseHost } from './host.ts';
import { parseFlags } from './parse-flags.ts';

const directory = mkdtempSync(join(tmpdir(), 'gantry-config-'));
after(() => rmSync(directory, { recursive: true }));

/** A configuration from flags and the text of a daemon.json. */
function load(args: string[], file?: string): DaemonConfig {
  const path = join(directory, 'daemon.json');
  writeFileSync(path, file ?? '');
  return loadConfig(parseFlags([...args, '--config-file', path]));
}

describe('flags', () => {
  test('follow the rules of pflag', () => {
    const config = load([
      '-D',
      '--mtu=1400',
      '-Htcp://1.2.3.4:1',
      '-H',
      'unix:///x',
      '--icc=false',
      '-ldebug',
      '--dns',
      '1.1.1.1',
      '--dns=8.8.8.8',
    ]);
    assert.equal(config.bool('debug'), true);
    assert.equal(config.number('mtu'), 1400);
    assert.deepEqual(config.list('hosts'), ['tcp://1.2.3.4:1', 'unix:///x']);
    assert.equal(config.bool('icc'), false);
    assert.equal(config.string('log-level'), 'debug');
    assert.deepEqual(config.list('dns'), ['1.1.1.1', '8.8.8.8']);
  });

  test('of every kind are read', () => {
    const config = load([
      '--default-ulimit',
      'nofile=10:20',
      '--default-ulimit',
      'nproc=5',
      '--default-shm-size',
      '1g',
      '--log-opt',
      'max-size=1m',
      '--add-runtime',
      'mine=/bin/mine',
      '--default-address-pool',
      'base=10.9.0.0/16,size=24',
    ]);
    assert.deepEqual(config.ulimits(), [
      { Name: 'nofile', Soft: 10, Hard: 20 },
      { Name: 'nproc', Soft: 5, Hard: 5 },
    ]);
    assert.equal(config.number('default-shm-size'), 2 ** 30);
    assert.deepEqual(config.map('log-opts'), { 'max-size': '1m' });
    assert.deepEqual(config.runtimes(), { mine: { path: '/bin/mine', args: [] } });
    assert.deepEqual(config.pools(), [{ base: '10.9.0.0/16', size: 24 }]);
  });

  const refused: [string[], RegExp][] = [
    [['--nope'], /^unknown flag: --nope$/],
    [['-Z'], /^unknown shorthand flag: 'Z' in -Z$/],
    [['--mtu'], /^flag needs an argument: --mtu$/],
    [['--mtu', 'x'], /^invalid argument "x" for "--mtu" flag: strconv\.ParseInt: parsing "x": invalid syntax$/],
    [['--default-ulimit', 'bogus=1'], /invalid ulimit type: bogus/],
    [['--default-ulimit', 'nofile=5:1'], /soft limit must be less than or equal to hard limit/],
    [['--userns-remap', 'default'], /^--userns-remap is not supported yet$/],
    [['--userland-proxy=maybe'], /^invalid argument "maybe" for "--userland-proxy" flag/],
    [['extra'], /accepts no arguments/],
  ];
  for (const [args, message] of refused) {
    test(`${args.join(' ')} is refused`, () =>
      assert.throws(
        () => parseFlags(args),
        (error: Error) => message.test(error.message),
      ));
  }

  test('of later versions may say that what they name is off', () => {
    assert.doesNotThrow(() => parseFlags(['--allow-direct-routing=false', '--ipv6=false']));
  });
});

describe('daemon.json', () => {
  test('gives what flags do not', () => {
    const config = load(
      ['--mtu', '1400'],
      '{"debug": true, "hosts": ["unix:///y"], "default-ulimits": {"nofile": {"Name": "nofile", "Soft": 1, "Hard": 2}}, "proxies": {"http-proxy": "http://p"}, "userland-proxy": false, "host-gateway-ip": "10.0.0.1"}',
    );
    assert.equal(config.bool('debug'), true);
    assert.equal(config.number('mtu'), 1400);
    assert.deepEqual(config.ulimits(), [{ Name: 'nofile', Soft: 1, Hard: 2 }]);
    assert.equal(config.string('http-proxy'), 'http://p');
    assert.deepEqual(config.list('host-gateway-ips'), ['10.0.0.1']);
  });

  test('of published ports', () => {
    const config = load(
      [],
      '{"userland-proxy": false, "ip": "127.0.0.1", "ip6tables": false, "ip-forward-no-drop": true}',
    );
    assert.equal(config.bool('userland-proxy'), false);
    assert.equal(config.string('ip'), '127.0.0.1');
    assert.equal(config.bool('ip6tables'), false);
    assert.equal(config.bool('ip-forward-no-drop'), true);
    assert.equal(load(['--firewall-backend=nftables'], '{}').string('firewall-backend'), 'nftables');
    assert.throws(() => load([], '{"firewall-backend": "iptables"}'), /firewall-backend "iptables" is not supported/);
    assert.throws(
      () => load(['--userland-proxy-path=/usr/bin/docker-proxy'], '{}'),
      /userland-proxy-path cannot be set/,
    );
    assert.throws(() => load(['--ip=here'], '{}'), /^Error: ip: here is not an IP address$/);
  });

  test('with unknown keys is refused by their names', () => {
    assert.throws(
      () => load([], '{"foo": 1, "bar": 2}'),
      /^Error: unable to configure the Docker daemon with file .*daemon\.json: the following directives don't match any configuration option: foo, bar$/,
    );
  });

  test('may not repeat a flag', () => {
    assert.throws(
      () => load(['--label', 'a=b', '-D'], '{"labels": ["c=d"], "debug": false}'),
      /the following directives are specified both as a flag and in the configuration file: labels: \(from flag: \[a=b\], from file: \[c=d\]\), debug: \(from flag: true, from file: false\)/,
    );
    assert.throws(
      () => load(['--http-proxy', 'http://u:secret@p'], '{"http-proxy": "http://q"}'),
      (error: Error) => !error.message.includes('secret'),
    );
  });

  test('adds its runtimes to those of flags', () => {
    const config = load(
      ['--add-runtime', 'a=/bin/a'],
      '{"runtimes": {"b": {"path": "/bin/b", "runtimeArgs": ["--x"]}}}',
    );
    assert.deepEqual(config.runtimes(), { a: { path: '/bin/a', args: [] }, b: { path: '/bin/b', args: ['--x'] } });
  });

  test('that is not JSON is refused with the place', () => {
    assert.throws(() => parseConfig('{\n "debug": tru\n}', new Map()), /line 2/);
  });

  test('of wrong types, or with options of later versions, is refused', () => {
    assert.throws(() => load([], '{"debug": "yes"}'), /"debug": boolean expected/);
    assert.throws(() => load([], '{"userns-remap": "default"}'), /the option "userns-remap" is not supported yet/);
    assert.throws(() => load([], '{"live-restore": false}'), /live-restore cannot be disabled/);
  });

  test('that was named must be there', () => {
    assert.throws(
      () => loadConfig(parseFlags(['--config-file', '/nonexistent/x'])),
      /open \/nonexistent\/x: no such file or directory/,
    );
  });
});

describe('values are checked', () => {
  const refused: [string[], RegExp][] = [
    [['-l', 'loud'], /invalid logging level: loud/],
    [['--log-format', 'xml'], /invalid log format: xml/],
    [['-H', 'ftp://x'], /invalid bind address format: ftp:\/\/x/],
    [['--label', 'a=1', '--label', 'a=2'], /conflict labels for a=2 and a=1/],
    [['--dns', 'example'], /IP address is not correctly formatted: example/],
    [['--bip', '10.0.0.1'], /invalid CIDR address: 10\.0\.0\.1/],
    [['--bip', '10.0.0.1/24', '-b', 'none'], /mutually exclusive/],
    [['--storage-driver', 'btrfs'], /storage driver "btrfs" is not supported/],
    [['--data-root', 'relative'], /must be an absolute path/],
    [['--exec-opt', 'native.cgroupdriver=systemd'], /cgroupfs/],
  ];
  for (const [args, message] of refused) test(args.join(' '), () => assert.throws(() => load(args), message));
});

test('a reload changes what may change and nothing else', () => {
  const before = load(['--mtu', '1400'], '{"labels": ["a=1"], "max-concurrent-downloads": 9, "bip": "10.0.0.1/24"}');
  const after = before.reloaded(load(['--mtu', '1400'], '{"labels": ["b=2"], "debug": true, "bip": "10.9.0.1/24"}'));
  assert.deepEqual(after.list('labels'), ['b=2']);
  assert.equal(after.bool('debug'), true);
  assert.equal(after.number('max-concurrent-downloads'), 3);
  assert.equal(after.string('bip'), '10.0.0.1/24');
});

test('hosts are read as dockerd reads them', () => {
  assert.deepEqual(parseHost('unix://', false), { kind: 'unix', path: '/run/gantry/gantry.sock' });
  assert.deepEqual(parseHost('tcp://0.0.0.0', true), { kind: 'tcp', host: '0.0.0.0', port: 2376 });
  assert.deepEqual(parseHost('tcp://[::1]:99', false), { kind: 'tcp', host: '::1', port: 99 });
  assert.deepEqual(parseHost('127.0.0.1:4243', false), { kind: 'tcp', host: '127.0.0.1', port: 4243 });
  assert.deepEqual(parseHost('fd://', false), { kind: 'fd', fd: null });
});
