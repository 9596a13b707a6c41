/**
 * The same command line through the docker CLI and through gantry's, on one engine: what is printed to stdout and stderr and the exit
 * status must be the same but for the program's name. Where Gantry differs on purpose (help texts, suggestions, what is not supported
 * yet) there is no line here.
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';

const root = path.resolve(import.meta.dirname, '../..');
const dockerVersion = spawnSync('docker', ['--version'], { encoding: 'utf8' }).stdout ?? '';
const skip =
  process.getuid?.() !== 0
    ? 'needs root'
    : !existsSync('/usr/bin/busybox')
      ? 'needs busybox-static'
      : /version (2[89]|[3-9][0-9])\./.test(dockerVersion)
        ? false
        : 'needs a docker CLI of version 28 or later';

/** DK is the program. */
const LINES = `
DK ps -a --format raw
DK ps -as --format raw
DK ps -aq --format raw
DK ps -aq --format '{{.Names}}'
DK ps -a --format '{{json .}}'
DK ps -a --format '{{ json . }}'
DK ps -a --format json
DK ps -a --format 'table {{upper .Names}}\\t{{lower .Image}}\\t{{json .Names}}\\t{{truncate .Names 3}}'
DK ps -a --format 'table {{range split .Names "e"}}{{.}}{{end}}'
DK ps -a --format '{{.Label "com.example.tier"}}|{{pad .Names 1 2}}|{{title .State}}'
DK ps -a --format '{{.Nope}}'
DK ps --format 'table {{.Nope}}'
DK ps -a --format '{{.Names'
DK ps -a --format '{{.Names}'
DK ps -a --format '{{nope .}}'
DK ps -a --size=false --format '{{.Size}}'
DK ps -a --filter status=bogus
DK ps -a --filter bogus
DK container ps foo
DK container list -q --bogus
DK images --format raw
DK images -q --format raw
DK images --format '{{.Nope}}'
DK images --format '{{.Tag.X}}'
DK images --format '{{if .Tag}}x'
DK images --format '{{lower 1}} '
DK images --format '{{$x}}'
DK images ''
DK history -H=false same-test
DK history --platform foo same-test
DK volume ls --format raw
DK volume inspect -f '{{.Nope' same-volume
DK volume inspect same-volume nope
DK network ls --format raw
DK inspect web nope
DK inspect -f '{{.Name}}\\t{{"\\t"}}|{{.State.Status}}' web
DK inspect -f '{{json .Config.Labels}} {{json .HostConfig}} {{json .State}}' web
DK inspect -f '{{.Mounts}}|{{.HostConfig.RestartPolicy}}|{{.HostConfig.PortBindings}}|{{.Config.Cmd}}|{{.Config.Entrypoint}}' web
DK inspect -f '{{.State}}|{{if .State.Health}}h{{else}}n{{end}}|{{len .HostConfig.Binds}}|{{.HostConfig.Links}}' web
DK inspect -f '{{.RepoTags}} {{.Config.Cmd}} {{.Config.Labels}} {{.Parent}}|{{json .RootFS}}' same-test
DK network inspect -f '{{.IPAM.Config}} {{.Labels}} {{.ConfigFrom}}' host
DK volume inspect -f '{{.Options}} {{.Labels}} {{.Status}}' same-volume
DK inspect -f '{{range .Nope}}' web
DK events --since 1h --until 0s --filter container=web --filter event=create --format '{{json .}}'
DK events --since 1h --until 0s --filter container=web --filter event=create --format '{{.}}'
DK events --since 1h --until 0s --filter container=web --format '{{.Actor.Attributes.name}} {{.Action}} {{.TimeNano}} {{.Actor.Attributes.nope}}'
DK events --since 1h --until 0s --format '{{.Nope}}'
DK events --since x
DK logs --since x web
DK stats --no-stream exited
DK stats --no-stream --format '{{.Nope' exited
DK system df --format raw
echo "$(DK system df -v --format json)"
echo "$(DK system df -v --format '{{range .Volumes}}{{.Name}} {{.Links}}{{end}}')"
DK info -f '{{.Nope'
DK version -f '{{.Nope'
DK version -f '{{.Server.BuildTime}} {{.Server.APIVersion}}'
DK container prune < /dev/null
echo n | DK image prune
echo yes | DK volume prune
echo y | DK container prune --filter label=nobody-has-it
DK create --name web same-test true
DK create --pull never nosuch
DK create --platform bogus same-test true
DK run --mount '' same-test true
DK create -l '' same-test true
DK run --dns-search 'a b' same-test true
DK create --cpu-percent 1 same-test true
DK run --env-file latin1 same-test true
DK run --env-file . same-test true 2>&1 | head -1
DK run --rm --network none -i -a stdin same-test sh -c 'cat; exit 4' < settings/config.json
DK commit web UPPER/Case
DK commit --no-pause web
DK tag same-test BAD/X
DK cp web:/etc /dev/null
DK save -o nowhere/ same-test
DK save -o / same-test
DK -H unix:///a -H unix:///b ps
DK -H unix:///a --context b ps
DK --tlsverify --tlscacert /nowhere -H tcp://127.0.0.1:1 ps
DK context rm nope
DK context inspect nope nope2
DK context inspect
DK --context nope context ls | sed 's/  */ /g'
DK --config settings ps -a
DK --config settings images
DK --config settings volume ls
DK --config settings stats --no-stream exited
DK --config settings run --rm --network none -e HTTP_PROXY=mine same-test env | grep -iv hostname | sort
DK --config broken ps -q 2>/dev/null
DK container
DK container bogus-word
`
  .split('\n')
  .filter((line) => line !== '');

describe('the same output as the docker CLI', { skip }, () => {
  let daemon: TestDaemon;
  let scratch = '';

  const run = (line: string, program: string) => {
    const result = spawnSync('bash', ['-c', line.replaceAll('DK', program)], {
      cwd: scratch,
      encoding: 'utf8',
      input: '',
      env: {
        PATH: `${root}/bin:${process.env.PATH}`,
        HOME: scratch,
        DOCKER_HOST: `unix://${daemon.socket}`,
        DOCKER_CLI_HINTS: 'false',
      },
    });
    const same = (text: string) =>
      text
        .replace(/gantry|Gantry|GANTRY/g, (name) => ({ gantry: 'docker', Gantry: 'Docker' })[name] ?? 'DOCKER')
        // Seconds pass between the two, and columns are as wide as their words.
        .replace(/(Less than a second|About a minute|\d+ (seconds?|minutes?))( ago)? */g, 'WHILE ')
        .replace(/(CREATED|STATUS) +/g, '$1 ');
    return { line, status: result.status, stdout: same(result.stdout), stderr: same(result.stderr) };
  };

  before(async () => {
    scratch = mkdtempSync(`${tmpdir()}/gantry-same-`);
    daemon = await startDaemon();
    const rootfs = spawnSync(`${root}/scripts/busybox-rootfs`, { maxBuffer: 1 << 28 });
    const docker = (args: string[], input: Buffer | string = '') => {
      const env = { ...process.env, DOCKER_HOST: `unix://${daemon.socket}` };
      const result = spawnSync('docker', args, { input, encoding: 'utf8', env });
      assert.equal(result.status, 0, result.stderr);
    };
    docker(['import', '-', 'same-test'], rootfs.stdout);
    docker(['volume', 'create', '--label', 'k=v', 'same-volume']);
    const labels = ['--label', 'z=1', '--label', 'com.example.tier=front', '--label', 'x=a<b>&c'];
    docker(['create', '--name', 'web', ...labels, '-v', 'same-volume:/data', 'same-test', 'sleep', '1000']);
    docker(['run', '--name', 'exited', '--network', 'none', 'same-test', 'true']);
    for (const name of ['settings', 'broken']) mkdirSync(`${scratch}/${name}`);
    writeFileSync(`${scratch}/broken/config.json`, '{"psFormat": ');
    writeFileSync(
      `${scratch}/settings/config.json`,
      JSON.stringify({
        psFormat: 'table {{.Names}}\\t{{.State}}',
        imagesFormat: '{{.Repository}}',
        volumesFormat: 'V {{.Name}}',
        statsFormat: '{{.Name}}',
        proxies: { default: { httpProxy: 'http://p:1', noProxy: 'localhost' } },
      }),
    );
    writeFileSync(`${scratch}/latin1`, Buffer.from([0x41, 0x3d, 0xff, 0x0a]));
  });
  after(async () => {
    await daemon?.[Symbol.asyncDispose]();
    rmSync(scratch, { recursive: true, force: true });
  });

  for (const line of LINES) {
    test(line, () => assert.deepEqual(run(line, 'gantry'), run(line, 'docker')));
  }

  test('filters of the configuration file are for every prune, but where the command line says the opposite', () => {
    const settings = { pruneFilters: ['label=mine', 'label!=yours'] };
    writeFileSync(`${scratch}/settings/config.json`, JSON.stringify(settings));
    const text = run('echo n | DK --config settings system prune --filter label=yours', 'gantry').stdout;
    assert.match(text, /filtered with:\n {2}- label=mine\n {2}- label=yours\n/);
    assert.match(run('DK --config settings container prune -f', 'gantry').stdout, /^Total reclaimed space: 0B$/m);
    assert.equal(run('DK ps -aq', 'gantry').stdout.trim().split('\n').length, 2);
  });
});
