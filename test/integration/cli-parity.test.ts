/**
 * What gantry and the docker CLI send for the same command line must be the same: both run against a server that records. Values that are the
 * API's own defaults are left out of the comparison, as gantry does not send them.
 */

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ENTRY = fileURLToPath(new URL('../../src/cli/entry.ts', import.meta.url));
const directory = mkdtempSync(`${tmpdir()}/gantry-parity-`);
const socket = `${directory}/engine.sock`;
const dockerVersion = spawnSync('docker', ['--version'], { encoding: 'utf8' }).stdout ?? '';
const skip = /version (2[89]|[3-9][0-9])\./.test(dockerVersion) ? false : 'needs a docker CLI of version 28 or later';

interface Call {
  url: string;
  method: string;
  body: unknown;
}
let calls: Call[] = [];
const server = http.createServer((request, response) => {
  let text = '';
  request.on('data', (chunk) => {
    text += chunk;
  });
  request.on('end', () => {
    const url = new URL(request.url!, 'http://engine');
    const path = url.pathname.replace(/^\/v1\.[0-9]+/, '');
    response.setHeader('Api-Version', '1.50');
    response.setHeader('Ostype', 'linux');
    response.setHeader('Content-Type', 'application/json');
    if (path === '/_ping') {
      response.end('OK');
      return;
    }
    url.searchParams.sort();
    for (const [key, value] of [...url.searchParams]) if (value === '') url.searchParams.delete(key);
    calls.push({
      method: request.method!,
      url: `${path}?${url.searchParams}`,
      body: text === '' ? null : JSON.parse(text),
    });
    if (path.endsWith('/create')) {
      response.statusCode = 201;
      response.end('{"Id":"abc","Warnings":[]}');
    } else if (path.endsWith('/commit')) {
      response.statusCode = 201;
      response.end('{"Id":"sha256:abc"}');
    } else if (path.endsWith('/update')) {
      response.end('{"Warnings":[]}');
    } else {
      response.statusCode = request.method === 'DELETE' || request.method === 'POST' ? 204 : 200;
      response.end();
    }
  });
});

before(async () => {
  await new Promise<void>((resolve) => server.listen(socket, resolve));
});
after(() => {
  server.close();
  server.closeAllConnections();
  rmSync(directory, { recursive: true });
});

async function run(
  command: string,
  args: readonly string[],
): Promise<{ calls: Call[]; status: number; stderr: string }> {
  calls = [];
  const child = spawn(command, args, {
    cwd: directory,
    env: { PATH: process.env.PATH, HOME: directory, DOCKER_HOST: `unix://${socket}`, FROM_CLIENT: 'inherited' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const status = await new Promise<number>((resolve) => child.on('close', (code) => resolve(code ?? -1)));
  return { calls: calls.map((call) => ({ ...call, body: prune(call.body, '') })), status, stderr };
}

/** Takes out what means "nothing given": zero values, and the defaults that the docker CLI spells out. */
function prune(value: unknown, key: string): unknown {
  if (key === 'MemorySwappiness' && value === -1) return undefined;
  if (key === 'NetworkMode' && value === 'default') return undefined;
  if (key === 'RestartPolicy' && (value as { Name?: string }).Name === 'no') return undefined;
  if (key === 'ConsoleSize') return undefined;
  // Go walks its map of binds in any order.
  // Docker's client keeps both in maps of Go's, whose order is another one every time.
  if ((key === 'Binds' || key === 'Env') && value) return [...(value as string[])].sort();
  if ((key === 'MaskedPaths' || key === 'ReadonlyPaths') && Array.isArray(value)) return value;
  if (value === null || value === '' || value === 0 || value === false) return undefined;
  if (Array.isArray(value))
    return value.length === 0 ? undefined : value.map((one) => (one === '' ? one : prune(one, '')));
  if (typeof value === 'object') {
    const keep = [
      'ExposedPorts',
      'Volumes',
      'Labels',
      'Tmpfs',
      'Config',
      'Annotations',
      'Sysctls',
      'StorageOpt',
    ].includes(key);
    const entries = Object.entries(value)
      .map(([name, one]) => [name, keep ? one : prune(one, name)] as const)
      .filter(([, one]) => one !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1));
    return entries.length === 0 ? undefined : Object.fromEntries(entries);
  }
  return value;
}

writeFileSync(`${directory}/env`, '\ufeff# comment\nA=1\n\nFROM_CLIENT\nNOT_SET\n  B=x y\n');
writeFileSync(`${directory}/bad`, 'A B=1\n');
writeFileSync(`${directory}/labels`, 'a=b\nc\n# no\n');
writeFileSync(`${directory}/seccomp.json`, '{ "defaultAction": "SCMP_ACT_ALLOW" }');

/** Each a command line of create without the image. */
const CREATE: readonly string[] = [
  '',
  '-it',
  '-a stdin -a STDERR',
  '-i -a stdout',
  '-e A=b -e FROM_CLIENT -e UNSET --env-file env',
  '-l a=b -l c --label d=e=f --label-file labels',
  '-p 80',
  '-p 8080:80',
  '-p 127.0.0.1:8080:80/udp -p 127.0.0.1::81',
  '-p 8000-8002:80-82',
  '-p 8000-8010:80',
  '-p [::1]:80:80',
  '-p published=8080,target=80,protocol=udp',
  '-P --expose 90 --expose 91-93/udp',
  '-v /a:/b -v /c:/d:ro -v /anon -v vol:/v -v ./rel:/r',
  '--tmpfs /t --tmpfs /u:size=1m,mode=700',
  '--mount type=tmpfs,dst=/m,tmpfs-size=1m,tmpfs-mode=1777',
  '--mount type=bind,src=/a,target=/b,readonly,bind-propagation=rslave',
  '--mount type=volume,source=v,dst=/x,volume-nocopy,volume-driver=d,volume-opt=a=b,volume-label=c=d,volume-subpath=s',
  '--mount type=image,source=busybox,dst=/x,image-subpath=bin',
  '--mount type=bind,src=/a,dst=/b,bind-recursive=disabled',
  '--network host',
  '--network n1 --network-alias a --ip 10.1.2.3 --ip6 fd00::2 --link-local-ip 169.254.1.1 --link x:y',
  '--network name=n1,alias=q,ip=10.0.0.9,driver-opt=a=b,mac-address=92:d0:c6:0a:29:33,gw-priority=7',
  '--network n1 --network n2',
  '--network container:abc --pid container:abc --ipc host --uts host --userns host --cgroupns private',
  '--mac-address 92:d0:c6:0a:29:33 --hostname h --domainname d',
  '--link a --link b:c',
  '--dns 1.1.1.1 --dns-search example.org --dns-option ndots:2 --dns-opt x --add-host a:1.2.3.4 --add-host b=[::1] --add-host c:host-gateway',
  '--cap-add NET_ADMIN --cap-drop ALL --privileged --security-opt no-new-privileges --security-opt label=disable',
  '--security-opt seccomp=seccomp.json --security-opt apparmor:unconfined',
  '--security-opt systempaths=unconfined --security-opt seccomp=unconfined',
  '--device /dev/null --device /dev/zero:/dev/z --device /dev/full:r --device /dev/tty:/dev/t:rw --device-cgroup-rule "c 1:3 rwm"',
  '--device vendor.com/class=name',
  '--gpus all',
  '--gpus 2',
  '--gpus device=1,capabilities=utility',
  '--ulimit nofile=10:20 --ulimit core=-1 --ulimit cpu=5',
  '--cpus 1.5 -c 512 --cpu-period 1000 --cpu-quota 2000 --cpu-rt-period 10 --cpu-rt-runtime 5 --cpuset-cpus 0,1 --cpuset-mems 0',
  '-m 1g --memory-reservation 512m --memory-swap -1 --memory-swappiness 10 --oom-kill-disable --oom-score-adj 5 --pids-limit 9',
  '--memory-swap 2G --shm-size 64m --pids-limit -1',
  '--blkio-weight 100 --blkio-weight-device /dev/sda:200 --device-read-bps /dev/sda:1mb --device-write-bps /dev/sda:2kb',
  '--device-read-iops /dev/sda:10 --device-write-iops /dev/sda:20',
  '--log-driver local --log-opt a=b --log-opt c',
  '--restart on-failure:3',
  '--restart always',
  '--restart unless-stopped --init --init=false',
  '--rm --init --read-only --stop-signal INT --stop-timeout 3',
  '--stop-timeout 0',
  '--health-cmd "true || x" --health-interval 1m30s --health-retries 2 --health-timeout 500ms --health-start-period 1h --health-start-interval 2s',
  '--no-healthcheck',
  '--entrypoint /bin/sh',
  '--entrypoint ""',
  '-u 1:2 -w /tmp --group-add a --group-add 7',
  '--sysctl net.core.somaxconn=5 --sysctl kernel.sem=1',
  '--annotation a=b --annotation c=d --runtime crun --cgroup-parent /x --isolation default',
  '--storage-opt size=1g --volume-driver d --volumes-from a --volumes-from b:ro',
  '--name foo --platform linux/amd64 --cidfile cid',
  // Refused by both, with the same status.
  '-p foo',
  '-p 1:2:3:4',
  '-p 80/foo',
  '-p 1-2:3-5',
  '-v ::',
  '-v :/b',
  '-v a:',
  '--cap-add net_admin --cap-add CAP_SYS_TIME --cap-drop net_admin --cap-drop mknod',
  '--cap-add all',
  '-e A',
  '-d',
  '-vx -itw',
  '--memory x',
  '--cpus x',
  '--cpus 0.0000000001',
  '--dns foo',
  '--add-host foo',
  '--add-host foo:bar',
  '--env =x',
  '--env-file bad',
  '--env-file nope',
  '-l =x',
  '--ulimit nofile',
  '--ulimit foo=1',
  '--ulimit nofile=5:4',
  '--sysctl foo.bar=1',
  '--mount foo',
  '--mount type=bind',
  '--mount type=bind,dst=/x,foo=bar',
  '--mount type=bind,src=/a,dst=/x,volume-nocopy',
  '--device foo',
  '--device /dev/null:/x:q',
  '--device-cgroup-rule foo',
  '--restart foo:x',
  '--restart always --rm',
  '--health-interval=-1s',
  '--no-healthcheck --health-cmd x',
  '--mac-address foo',
  '--memory-swappiness 101',
  '--pid foo',
  '--uts foo',
  '--userns foo',
  '--cgroupns foo',
  '--attach foo',
  '--security-opt foo',
  '--security-opt seccomp=nope.json',
  '--log-driver none --log-opt a=b',
  '--storage-opt foo',
  '--blkio-weight-device foo',
  '--device-read-bps /dev/sda:x',
  '--gpus x',
  '--network name=a,foo=bar',
  '--network n1 --network host',
  '--network bridge --network-alias x',
  '--network n1 --network n1',
  '--pull foo',
  '--expose 1:2',
  '--expose x',
];

const OTHER: readonly string[] = [
  'rm -fv a',
  'stop -t 3 a',
  'stop -s INT a',
  'stop --time 5 a',
  'restart -t 0 -s HUP a',
  'kill a',
  'kill -s HUP a',
  'pause a',
  'unpause a',
  'rename a b',
  'update -m 1g --cpus 2 --restart always --pids-limit 5 a',
  'commit -a me -m hello -c CMD=x -p=false a foo:bar',
  'commit a',
  'tag a foo:bar',
  'tag a localhost:5000/foo',
  'tag a FOO',
  'update a',
  'rename a',
  'rm',
  'rm --nope a',
  'rm -z a',
  'stop -t x a',
];

function words(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"|(\S+)/g)].map((match) => match[1] ?? match[2]!);
}

const adapt = (text: string) => text.replaceAll('docker', 'gantry').replace(/\nDid you mean.*\n/g, '');

async function compare(args: string[]): Promise<void> {
  rmSync(`${directory}/cid`, { force: true });
  const docker = await run('docker', args);
  rmSync(`${directory}/cid`, { force: true });
  const gantry = await run(process.execPath, ['--', ENTRY, ...args]);
  assert.deepEqual(gantry.calls, docker.calls);
  assert.equal(gantry.status, docker.status, gantry.stderr);
  assert.equal(gantry.stderr, adapt(docker.stderr));
}

describe('the same requests and messages as the docker CLI', { skip }, () => {
  for (const line of CREATE) {
    test(`create ${line}`, () => compare(['create', ...words(line), 'busybox', 'cmd', '-x', '--flag']));
  }
  for (const line of OTHER) test(line, () => compare(words(line)));
});
