/** A host with a bridge, containers and a foreign host, all as network namespaces: for tests that themselves run in one of their own. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';

const IN_NAMESPACE = 'GANTRY_TEST_NETNS';

/**
 * Runs the calling test file again in a network namespace, where it may do as it likes with rules and addresses, and reports that run's
 * outcome. Returns whether this is that run.
 */
export function inOwnNamespace(
  file: string,
  test: (name: string, options: object, body: () => void) => unknown,
): boolean {
  if (process.env[IN_NAMESPACE] === '1') return true;
  const skip = process.getuid?.() === 0 ? false : 'needs root';
  test('in a network namespace of its own', { skip }, () => {
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const run = spawnSync('unshare', ['--net', process.execPath, file], {
      env: { ...env, [IN_NAMESPACE]: '1' },
      encoding: 'utf8',
    });
    assert.equal(run.status, 0, `${run.stdout}\n${run.stderr}`);
  });
  return false;
}

export const sh = (command: string): string => execFileSync('sh', ['-ec', command], { encoding: 'utf8' });

/** A network namespace with one interface eth0. */
export class Host {
  readonly #processes: ChildProcess[] = [];
  readonly pid: number;

  private constructor(process: ChildProcess) {
    this.#processes.push(process);
    this.pid = process.pid!;
  }

  /** @param end the command that places the other end of the pair, named `link`, in the test's own namespace */
  static async start(
    link: string,
    end: string,
    addresses: readonly string[],
    gateways: readonly string[],
  ): Promise<Host> {
    const child = spawn('unshare', ['--net', 'sh', '-c', 'echo ready; exec sleep infinity'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout!, 'data');
    const host = new Host(child);
    sh(`ip link add ${link} type veth peer name eth0 netns ${host.pid}; ${end}; ip link set ${link} up`);
    const inside = [
      'ip link set lo up; ip link set eth0 up',
      ...addresses.map((address) => `ip addr add ${address} dev eth0 ${address.includes(':') ? 'nodad' : ''}`),
      ...gateways.map((gateway) => `ip route add default via ${gateway}`),
    ];
    host.run('sh', '-ec', inside.join('\n'));
    return host;
  }

  run(...command: string[]): string {
    return execFileSync('nsenter', ['-n', '-t', `${this.pid}`, ...command], { encoding: 'utf8' });
  }

  /** A web server that answers with a text and its client's address; it listens when this returns. */
  async serve(port: number, text: string): Promise<void> {
    await this.#node(
      `require('node:http').createServer((q, s) => s.end(${JSON.stringify(text)} + ' ' + q.socket.remoteAddress))
        .listen(${port}, '::', () => console.log('ready'))`,
    );
  }

  /** Answers every datagram with a text. */
  async serveUdp(port: number, text: string, family = 'udp4'): Promise<void> {
    await this.#node(
      `const s = require('node:dgram').createSocket('${family}'); s.on('message', (_, from) => s.send(${JSON.stringify(text)}, from.port, from.address));
       s.bind(${port}, () => console.log('ready'))`,
    );
  }

  /** Answers every datagram with the number of those that have come. */
  async countUdp(port: number): Promise<void> {
    await this.#node(
      `let n = 0; const s = require('node:dgram').createSocket('udp4'); s.on('message', (_, from) => s.send(String(++n), from.port, from.address));
       s.bind(${port}, () => console.log('ready'))`,
    );
  }

  /** Sends a datagram. */
  send(address: string, port: number): void {
    this.run(
      process.execPath,
      '-e',
      `const s = require('node:dgram').createSocket('udp4'); s.send('from outside', ${port}, '${address}', () => s.close())`,
    );
  }

  /** Sends a datagram and returns the answer, which must come from where it was sent to. */
  async ask(address: string, port: number): Promise<string> {
    return await askFrom(['nsenter', '-n', '-t', `${this.pid}`], address, port);
  }

  /** What a web server answers, or the reason why it does not; where no answer is what is expected, waiting long makes no sense. */
  async fetch(url: string, seconds = 60): Promise<string> {
    return await fetchFrom(['nsenter', '-n', '-t', `${this.pid}`], url, seconds);
  }

  close(): void {
    for (const child of this.#processes) child.kill('SIGKILL');
  }

  async #node(script: string): Promise<void> {
    const child = spawn('nsenter', ['-n', '-t', `${this.pid}`, process.execPath, '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#processes.push(child);
    await once(child.stdout!, 'data');
  }
}

async function fetchFrom(prefix: readonly string[], url: string, seconds: number): Promise<string> {
  const [command = '', ...args] = [...prefix, 'curl', '-sS', '-g', '--max-time', `${seconds}`, url];
  try {
    return (await promisify(execFile)(command, args)).stdout;
  } catch (error) {
    const code = (error as { code?: unknown }).code;
    return code === 7 ? 'refused' : code === 28 ? 'no answer' : `curl: ${code}`;
  }
}

/** Asks again every second: a datagram may be lost while the host finds its neighbour. */
async function askFrom(prefix: readonly string[], address: string, port: number): Promise<string> {
  const script = `const s = require('node:dgram').createSocket('${address.includes(':') ? 'udp6' : 'udp4'}');
    s.on('message', (m) => { process.stdout.write(m); process.exit() }); s.on('error', () => {});
    s.connect(${port}, '${address}', () => { s.send('?'); setInterval(() => s.send('?'), 1000) })`;
  const [command = '', ...args] = [...prefix, process.execPath, '-e', script];
  return (await promisify(execFile)(command, args)).stdout;
}

/** From the namespace of the test itself. */
export const askHere = (address: string, port: number): Promise<string> => askFrom(['env'], address, port);
export const fetchHere = (url: string): Promise<string> => fetchFrom(['env'], url, 60);
