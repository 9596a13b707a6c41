/**
 * The launcher (launcher/, C) does the plain forms of run and exec without Node. What it sends, prints and returns must be what the whole CLI does
 * for the same command line: both run against an engine that records and answers by script.
 */

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const LAUNCHER = `${root}launcher/build/gantry`;
const WHOLE = [process.execPath, `${root}src/cli/entry.ts`];
const directory = mkdtempSync(`${tmpdir()}/gantry-launcher-`);
const socket = `${directory}/engine.sock`;

interface Call {
  method: string;
  url: string;
  body: unknown;
}

interface Script {
  /** Status and body of one operation; the usual answer where it is not named. */
  create?: [number, string];
  start?: [number, string];
  execStart?: [number, string];
  wait?: string;
  inspect?: string[];
  /** Sent on the attached stream, in these pieces. */
  output?: Buffer[];
  /** The attached stream ends when the client has ended its input. */
  untilInput?: boolean;
  /** Only after a kill request. */
  untilKilled?: boolean;
  /** The engine goes away instead of answering this operation. */
  vanish?: 'create' | 'start' | 'wait';
}

let calls: Call[] = [];
let launched = false;
let input: Buffer[] = [];
let script: Script = {};
let engine: Server;
let killed: () => void = () => {};

const frame = (stream: number, text: string | Buffer): Buffer => {
  const data = Buffer.from(text);
  const header = Buffer.alloc(8);
  header[0] = stream;
  header.writeUInt32BE(data.length, 4);
  return Buffer.concat([header, data]);
};

function serve(connection: Socket): void {
  let buffer: Buffer = Buffer.alloc(0);
  let raw = false;
  connection.on('error', () => {});
  connection.on('data', (data: Buffer) => {
    if (raw) {
      input.push(data);
      return;
    }
    buffer = Buffer.concat([buffer, data]);
    for (;;) {
      const end = buffer.indexOf('\r\n\r\n');
      if (end < 0) return;
      const head = buffer.toString('latin1', 0, end);
      const length = Number(/^content-length: ([0-9]+)$/im.exec(head)?.[1] ?? 0);
      if (buffer.length < end + 4 + length) return;
      const body = buffer.toString('utf8', end + 4, end + 4 + length);
      buffer = buffer.subarray(end + 4 + length);
      const [method = '', url = ''] = head.split(' ');
      if (/^user-agent: gantry-launcher\//im.test(head)) launched = true;
      calls.push({ method, url, body: body === '' ? null : JSON.parse(body) });
      raw = answer(connection, url);
    }
  });
  connection.on('end', () => connection.end());
}

function reply(connection: Socket, status: number, body: string, chunked = false): void {
  const head = `HTTP/1.1 ${status} X\r\nApi-Version: 1.50\r\nContent-Type: application/json\r\n`;
  if (status === 204) connection.write(`${head}\r\n`);
  else if (chunked) {
    const half = body.length >> 1;
    connection.write(`${head}Transfer-Encoding: chunked\r\n\r\n${half.toString(16)}\r\n${body.slice(0, half)}\r\n`);
    setImmediate(() => {
      connection.write(`${(body.length - half).toString(16)}\r\n${body.slice(half)}\r\n0\r\n\r\n`);
    });
  } else connection.write(`${head}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
}

/** true when the connection has left HTTP. */
function answer(connection: Socket, url: string): boolean {
  const operation = url.split('?')[0]!.split('/').at(-1)!;
  if (operation === script.vanish) {
    connection.destroy();
    return true;
  }
  if (operation === 'create') reply(connection, ...(script.create ?? [201, '{"Id":"c1","Warnings":[]}']));
  else if (operation === 'exec') reply(connection, ...(script.create ?? [201, '{"Id":"e1"}']));
  else if (operation === 'attach' || (operation === 'start' && url.startsWith('/exec'))) {
    if (operation === 'start' && script.execStart) {
      reply(connection, ...script.execStart);
      return false;
    }
    connection.write('HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n');
    const speak = () => {
      for (const piece of script.output ?? []) connection.write(piece);
      if (!script.untilInput && !script.untilKilled) connection.end();
      if (script.untilKilled) killed = () => connection.end();
    };
    // An attached container speaks once it is started; the start is the last request before.
    if (operation === 'attach') setTimeout(speak, 30);
    else speak();
    return true;
  } else if (operation === 'wait') {
    connection.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n');
    const body = script.wait ?? '{"StatusCode":0}';
    setTimeout(() => connection.write(`${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`), 50);
  } else if (operation === 'start') reply(connection, ...(script.start ?? [204, '']), true);
  else if (operation === 'kill') {
    reply(connection, 204, '');
    setTimeout(() => killed(), 10);
  } else if (operation === 'json') {
    const bodies = script.inspect ?? ['{"Running":false,"ExitCode":0}'];
    reply(connection, 200, bodies.length > 1 ? bodies.shift()! : bodies[0]!);
  } else reply(connection, 404, '{"message":"page not found"}');
  return false;
}

interface Result {
  status: number | null;
  stdout: string;
  stderr: string;
  calls: Call[];
  input: string;
  launched: boolean;
}

interface Options {
  stdin?: string | Buffer;
  env?: NodeJS.ProcessEnv;
  /** Sent to the client once its output has begun. */
  signal?: NodeJS.Signals;
}

async function run(command: string[], args: string[], given: Script, options: Options = {}): Promise<Result> {
  calls = [];
  launched = false;
  input = [];
  script = { ...given, ...(given.inspect ? { inspect: [...given.inspect] } : {}) };
  const child = spawn(command[0]!, [...command.slice(1), ...args], {
    cwd: directory,
    env: { PATH: process.env.PATH, HOME: directory, GANTRY_HOST: `unix://${socket}`, GIVEN: 'mine', ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  child.stdin.on('error', () => {});
  child.stdin.end(options.stdin ?? '');
  const stdout: Buffer[] = [];
  let stderr = '';
  child.stdout.on('data', (chunk) => {
    if (stdout.length === 0 && options.signal) child.kill(options.signal);
    stdout.push(chunk);
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const status = await new Promise<number | null>((resolve) => child.on('close', resolve));
  // Attach and wait are asked for at the same time, in either order.
  const rank = ({ url }: Call) => ['create', 'attach', 'wait', 'start'].findIndex((word) => url.includes(`/${word}`));
  const sorted = calls.toSorted((a, b) => rank(a) - rank(b));
  return {
    status,
    stdout: Buffer.concat(stdout).toString('latin1'),
    stderr,
    calls: sorted,
    input: Buffer.concat(input).toString('latin1'),
    launched,
  };
}

/** Runs both and compares; `alone` says that the launcher must not have called the whole CLI. */
async function same(args: string[], given: Script, options: Options = {}, alone = true): Promise<Result> {
  const mine = await run([LAUNCHER], args, given, options);
  const whole = await run(WHOLE, args, given, options);
  const what = `gantry ${args.join(' ')}`;
  assert.equal(whole.launched, false);
  assert.equal(mine.launched, alone, `${what}: done by ${alone ? 'Node' : 'the launcher'}`);
  assert.deepEqual({ ...mine, launched: false }, whole, what);
  return mine;
}

before(async () => {
  execFileSync(`${root}scripts/build-native`);
  engine = createServer({ allowHalfOpen: true }, serve);
  await new Promise<void>((resolve) => engine.listen(socket, resolve));
});
after(() => {
  engine.close();
  rmSync(directory, { recursive: true });
});

describe('the launcher and the whole CLI do the same', () => {
  const output = [frame(1, 'out\n'), frame(2, 'err\n')];

  const LINES = [
    'run busybox',
    'run --rm busybox true',
    'container run --rm busybox true',
    'run -i --rm busybox cat -n',
    'run -di busybox sh',
    'run -d --name web -h host -u 1:2 -w /tmp --init --privileged --read-only busybox httpd -f',
    'run --name=web --hostname=h --user=me --workdir=/x --entrypoint=/bin/sh busybox -c true',
    'run -e A=b -eC=d -e GIVEN -e UNSET --env E= -l a=b -l c --label d=e=f busybox env',
    'run -v /a:/b -v /c:/d:ro -v vol:/v busybox',
    'run --network host busybox',
    'run --network none -q busybox',
    'run --rm -- busybox -x --rm',
    'run --entrypoint "" busybox',
    'exec web true',
    'container exec -i web cat',
    'exec -d web touch /x',
    'exec -u me -w /tmp -e A=b -e GIVEN --privileged web env',
    'exec -- web -x',
    'exec we/b true',
  ];
  for (const line of LINES) {
    test(line, async () => {
      await same(
        line.split(' ').map((word) => (word === '""' ? '' : word)),
        { output },
      );
    });
  }

  const FOR_NODE = [
    'run -t busybox',
    'run --memory 1g busybox',
    'run -p 80 busybox',
    'run -v ./x:/y busybox',
    'run -v /anonymous busybox',
    'run --rm=false busybox',
    'run -e =x busybox',
    'run --label= busybox',
    'run --network name=n1,alias=x busybox',
    'run --nonsense busybox',
    'run',
    'exec web',
    'exec -t web true',
    'exec --help',
    'kill',
    'version',
  ];
  for (const line of FOR_NODE)
    test(`${line} is the whole CLI's`, () => same(line.split(' '), { output }, {}, false).then(() => {}));

  test('text of any kind in the request', async () => {
    const odd = 'a"b\\c\n\t\u0001\u007fü€😀';
    const { calls } = await same(['run', '-e', `X=${odd}`, '-l', `k=${odd}`, '--name', 'n a&m=e', 'busybox', odd, ''], {
      output,
    });
    assert.deepEqual((calls[0]!.body as { Cmd: string[] }).Cmd, [odd, '']);
  });

  test('exit statuses, warnings and errors', async () => {
    assert.equal((await same(['run', 'busybox'], { output, wait: '{"StatusCode":42,"Error":null}' })).status, 42);
    await same(['run', 'busybox'], {
      output,
      create: [201, '{"Id":"c1","Warnings":["one \\"\\u00fc\\ud83d\\ude00\\"","two"]}'],
    });
    const failed = await same(['run', 'busybox'], {
      output,
      wait: '{"StatusCode":0,"Error":{"Message":"gone \\n wrong"}}',
    });
    assert.equal(failed.status, 125);
    for (const [message, status] of [
      ['exec: \\"x\\": executable file not found in $PATH', 127],
      ['exec: permission denied', 126],
      ['no such network', 125],
    ] as const) {
      for (const rm of [['--rm'], []]) {
        const refused = await same(['container', 'run', ...rm, 'busybox', 'x'], {
          start: [400, `{"message":"${message}"}`],
        });
        assert.equal(refused.status, status);
      }
      await same(['run', '-d', 'busybox', 'x'], { start: [400, `{"message":"${message}"}`] });
    }
    assert.equal(
      (await same(['exec', 'web', 'x'], { output, inspect: ['{"Running":true}', '{"Running":false,"ExitCode":7}'] }))
        .status,
      7,
    );
  });

  test('what is refused before anything has happened is told by the whole CLI', async () => {
    for (const [args, given] of [
      [['run', '--name', 'x', 'busybox'], { create: [409, '{"message":"Conflict. The name is in use"}'] }],
      [['exec', 'web', 'true'], { create: [404, '{"message":"No such container: web"}'] }],
      [['exec', 'web', 'true'], { create: [409, '{"message":"container web is paused"}'] }],
    ] as [string[], Script][]) {
      const mine = await run([LAUNCHER], args, given);
      const whole = await run(WHOLE, args, given);
      assert.notEqual(mine.status, 0);
      assert.deepEqual([mine.status, mine.stdout, mine.stderr], [whole.status, whole.stdout, whole.stderr]);
      assert.deepEqual(mine.calls[0], whole.calls[0]);
    }
  });

  test('input and output of any size, byte for byte', async () => {
    const big = Buffer.alloc(3_000_001, 'x\0\xff\n');
    const pieces = Buffer.concat([frame(1, big), frame(2, 'e'), frame(1, ''), frame(1, 'end')]);
    // Cut where it hurts: inside headers.
    const cut = [
      pieces.subarray(0, 3),
      pieces.subarray(3, 9),
      pieces.subarray(9, 3_000_010),
      pieces.subarray(3_000_010),
    ];
    const { stdout, stderr } = await same(['run', 'busybox'], { output: cut });
    assert.equal(stdout, `${big.toString('latin1')}end`);
    assert.equal(stderr, 'e');
    const { input: sent } = await same(['exec', '-i', 'web', 'cat'], { output, untilInput: true }, { stdin: big });
    assert.equal(sent, big.toString('latin1'));
  });

  test('signals go to the container', async () => {
    const { calls } = await same(['run', '--rm', 'busybox'], { output, untilKilled: true }, { signal: 'SIGTERM' });
    assert.deepEqual(
      calls.filter(({ url }) => url.includes('/kill')).map(({ url }) => url),
      ['/containers/c1/kill?signal=TERM'],
    );
  });

  test('an engine that goes away in the middle', async () => {
    for (const vanish of ['start', 'wait'] as const) {
      const { status, stderr } = await run([LAUNCHER], ['run', 'busybox'], { output, vanish });
      assert.equal(status, 125, vanish);
      assert.match(stderr, /went away/);
    }
  });

  test('a reader that has gone ends it, as SIGPIPE would', async () => {
    script = { output: [frame(1, 'x'.repeat(1 << 20)), frame(1, 'y')] };
    const child = spawn(LAUNCHER, ['run', 'busybox'], {
      env: { HOME: directory, GANTRY_HOST: `unix://${socket}` },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    child.stdout.destroy();
    assert.equal(await new Promise((resolve) => child.on('close', resolve)), 141);
  });

  test('settings and variables that change what a command does', async () => {
    const configured = `${directory}/configured`;
    mkdirSync(configured);
    for (const [name, text, alone] of [
      ['HttpHeaders', '{"HttpHeaders":{"X":"y"}}', false],
      ['detachKeys', '{"detachKeys":"ctrl-x"}', false],
      ['proxies', '{"proxies":{"default":{"httpProxy":"http://p"}}}', false],
      ['auths', '{"auths":{"example.org":{"auth":"eA=="}}}', true],
      ['an empty file', '', true],
    ] as const) {
      writeFileSync(`${configured}/config.json`, text);
      for (const line of [
        ['run', '--rm', 'busybox', 'true'],
        ['exec', 'web', 'true'],
      ]) {
        const options = { env: { DOCKER_CONFIG: configured } };
        await same(line, { output }, options, alone).catch((error: Error) => {
          throw new Error(`${name}: ${error.message}`, { cause: error });
        });
      }
    }
    await same(['exec', 'web', 'true'], { output }, { env: { DOCKER_API_VERSION: '1.44' } }, false);
    await same(['run', 'busybox'], { output }, { env: { DOCKER_DEFAULT_PLATFORM: 'linux/amd64' } }, false);
    await same(
      ['-H', `unix://${socket}`, 'exec', 'web', 'true'],
      { output },
      { env: { GANTRY_HOST: '', DOCKER_CONTEXT: 'other' } },
    );
    await same(['exec', 'web', 'true'], {}, { env: { GANTRY_HOST: '', DOCKER_CONTEXT: 'other' } }, false);
    await same(['exec', 'web', 'true'], { output }, { env: { GANTRY_HOST: '', DOCKER_HOST: `unix://${socket}` } });
    await same(['exec', 'web', 'true'], {}, { env: { GANTRY_HOST: 'unix:///nowhere.sock' } }, false);
  });
});
