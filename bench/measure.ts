import { spawn } from 'node:child_process';
import http from 'node:http';

export interface Timed {
  code: number;
  milliseconds: number;
  stdout: string;
  stderr: string;
}

/** Runs a command to its end and times it from outside, process start included. */
export function timeCommand(command: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<Timed> {
  return new Promise((resolve, reject) => {
    const started = process.hrtime.bigint();
    const child = spawn(command[0]!, command.slice(1), { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk) => (stdout = (stdout + chunk).slice(-65536)));
    child.stderr.on('data', (chunk) => (stderr = (stderr + chunk).slice(-65536)));
    child.on('error', reject);
    child.on('close', (code) => {
      resolve({ code: code ?? -1, milliseconds: Number(process.hrtime.bigint() - started) / 1e6, stdout, stderr });
    });
  });
}

/** Runs a command that must succeed. */
export async function must(command: readonly string[], env?: NodeJS.ProcessEnv): Promise<Timed> {
  const result = await timeCommand(command, env);
  if (result.code !== 0) throw new Error(`${command.join(' ')} exited with ${result.code}: ${result.stderr.trim()}`);
  return result;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export interface Contender {
  name: string;
  /** One run; returns its figure (milliseconds unless the case says otherwise). */
  run(): Promise<number>;
}

/** Runs the contenders in turn, A B C A B C, so that drift of the machine meets all alike. First round is a warm-up. */
export async function interleave(contenders: readonly Contender[], rounds: number): Promise<Map<string, number[]>> {
  const figures = new Map<string, number[]>(contenders.map(({ name }) => [name, []]));
  for (let round = 0; round <= rounds; round++) {
    for (const { name, run } of contenders) {
      const figure = await run();
      if (round > 0) figures.get(name)!.push(figure);
    }
  }
  return figures;
}

const agent = new http.Agent({ keepAlive: true, maxSockets: 32 });

/** One Engine API request over a unix socket; rejects on 4xx and 5xx. */
export function request(socketPath: string, method: string, path: string, body?: unknown): Promise<string> {
  return new Promise((resolve, reject) => {
    const text = body === undefined ? '' : JSON.stringify(body);
    const headers = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) };
    const call = http.request({ socketPath, method, path, headers, agent }, (response) => {
      let answer = '';
      response.on('data', (chunk) => (answer += chunk));
      response.on('end', () => {
        if ((response.statusCode ?? 500) < 400) resolve(answer);
        else reject(new Error(`${method} ${path}: ${response.statusCode} ${answer}`));
      });
    });
    call.on('error', reject);
    call.end(text);
  });
}
