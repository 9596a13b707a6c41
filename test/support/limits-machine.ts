/**
 * What the tests of limits and confinement stand on: a daemon with busybox, containers run for their output, and a container's
 * limits as its cgroup has them, in the same words for cgroup v1 and v2.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createReadStream, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Cgroups, detectCgroups, readCgroupFile, readCgroupNumber } from '../../src/linux/cgroup.ts';
import { Api, unframe } from '../integration/containers-api.ts';
import { startDaemon, type TestDaemon } from './daemon.ts';

const BUSYBOX = '/var/cache/gantry-test/busybox.tar';
/** An emulated machine is some twenty times slower. */
export const PATIENCE_MS = 120_000;

export interface Outcome {
  code: number;
  /** Standard output and error, without the last newline. */
  output: string;
  id: string;
}

export interface Limits {
  memory: number | null;
  /** Swap alone, without the memory that Docker counts with it. */
  swap: number | null;
  reservation: number | null;
  shares: number;
  quota: number | null;
  period: number;
  cpus: string;
  pids: number | null;
}

export class LimitsMachine {
  readonly daemon: TestDaemon;
  readonly api: Api;
  readonly cgroups: Cgroups = detectCgroups();

  constructor(daemon: TestDaemon) {
    this.daemon = daemon;
    this.api = new Api(daemon.socket);
  }

  get v2(): boolean {
    return this.cgroups.mode === 'v2';
  }

  /** Runs a shell script in a container of its own, to its end. The container stays unless `HostConfig.AutoRemove`. */
  async run(script: string, hostConfig: object = {}, config: object = {}): Promise<Outcome> {
    const { api } = this;
    const id = await this.create(script, hostConfig, config);
    const stream = await api.hijack(`/containers/${id}/attach?stream=1&stdout=1&stderr=1`);
    const waiting = api.ok('POST', `/containers/${id}/wait?condition=next-exit`);
    const started = await api.call('POST', `/containers/${id}/start`);
    if (started.status !== 204) {
      stream.socket.destroy();
      throw new Error(started.body.message);
    }
    const { StatusCode } = await waiting;
    const output = unframe(await stream.rest(PATIENCE_MS)).trimEnd();
    return { code: StatusCode, output, id };
  }

  /** As run(), for scripts whose output is looked at alone. */
  async output(script: string, hostConfig: object = {}): Promise<string> {
    return (await this.run(script, { AutoRemove: true, ...hostConfig })).output;
  }

  /** Both streams go to standard output, so that their lines come in order. */
  create(script: string, hostConfig: object = {}, config: object = {}): Promise<string> {
    return this.api.create(['sh', '-c', `exec 2>&1; ${script}`], {
      HostConfig: { NetworkMode: 'none', ...hostConfig },
      ...config,
    });
  }

  /** A container that runs until it is removed. */
  async started(hostConfig: object = {}, script = 'exec sleep 100000'): Promise<string> {
    const id = await this.create(script, hostConfig);
    await this.api.ok('POST', `/containers/${id}/start`);
    return id;
  }

  remove(id: string): Promise<unknown> {
    return this.api.ok('DELETE', `/containers/${id}?force=1`);
  }

  /** Messages of a start that must fail. */
  async failure(hostConfig: object): Promise<string> {
    const id = await this.create('true', hostConfig);
    const { status, body } = await this.api.call('POST', `/containers/${id}/start`);
    await this.remove(id);
    assert.ok(status >= 400, `the start succeeded with ${status}`);
    return body.message;
  }

  /** Actions of a container's events so far. */
  async actions(id: string): Promise<string[]> {
    const until = Date.now() / 1000;
    const filters = encodeURIComponent(JSON.stringify({ container: [id] }));
    const answer = await this.daemon.request('GET', `/events?since=0&until=${until}&filters=${filters}`);
    return answer.text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line).Action);
  }

  file(controller: string, id: string, name: string): string {
    const directory = this.cgroups.directory(controller, `/gantry/${id}`);
    assert.notEqual(directory, null, `the host has no ${controller} controller`);
    return join(directory!, name);
  }

  limits(id: string): Limits {
    const number = (controller: string, name: string) => {
      const value = readCgroupNumber(this.file(controller, id, name));
      // v1 says "no limit" with -1 or the largest multiple of the page size.
      return value === null || value < 0 || value > 2 ** 62 ? null : value;
    };
    const cpus = readCgroupFile(this.file('cpuset', id, 'cpuset.cpus'))!.trim();
    const pids = number('pids', 'pids.max');
    if (this.v2) {
      const [quota, period] = readCgroupFile(this.file('cpu', id, 'cpu.max'))!
        .trim()
        .split(' ');
      return {
        memory: number('memory', 'memory.max'),
        swap: number('memory', 'memory.swap.max'),
        reservation: number('memory', 'memory.low') || null,
        shares: number('cpu', 'cpu.weight')!,
        quota: quota === 'max' ? null : Number(quota),
        period: Number(period),
        cpus,
        pids,
      };
    }
    const memory = number('memory', 'memory.limit_in_bytes');
    const both = number('memory', 'memory.memsw.limit_in_bytes');
    return {
      memory,
      swap: both === null ? null : both - (memory ?? 0),
      reservation: number('memory', 'memory.soft_limit_in_bytes'),
      shares: number('cpu', 'cpu.shares')!,
      quota: number('cpu', 'cpu.cfs_quota_us'),
      period: number('cpu', 'cpu.cfs_period_us')!,
      cpus,
      pids,
    };
  }

  /** CPU shares as the kernel has them: on v2 a weight, by the OCI runtimes' linear formula. */
  shares(shares: number): number {
    return this.v2 ? 1 + Math.floor(((shares - 2) * 9999) / 262142) : shares;
  }
}

/** A daemon with the image busybox, whose containers an OCI runtime runs. Its end is TestDaemon's disposal. */
export async function startLimitsMachine(runtime: string): Promise<LimitsMachine> {
  const daemon = await startDaemon({ flags: ['--default-runtime', runtime] });
  const answer = await daemon.request('POST', '/images/create?fromSrc=-&repo=busybox&tag=latest', undefined, {
    raw: createReadStream(BUSYBOX),
  });
  if (answer.status !== 200) {
    await daemon[Symbol.asyncDispose]();
    throw new Error(`cannot import busybox: ${answer.text}`);
  }
  return new LimitsMachine(daemon);
}

/** A block device of the machine, with its "major:minor"; null when there is none and none can be made. */
export function blockDevice(): { path: string; number: string } | null {
  if (readdirSync('/sys/block').length === 0) {
    try {
      // A disk of memory: it carries no data here, a limit needs a device to name.
      execFileSync('modprobe', ['brd', 'rd_nr=1', 'rd_size=1024'], { stdio: 'ignore' });
    } catch {
      return null;
    }
  }
  // The kernel's limits are per disk, and a disk that is none yet (an empty zram, a free loop) has no queue to limit.
  const name = readdirSync('/sys/block').find(
    (name) => existsSync(`/dev/${name}`) && Number(readFileSync(`/sys/block/${name}/size`, 'utf8')) > 0,
  );
  if (name === undefined || !statSync(`/dev/${name}`).isBlockDevice()) return null;
  return { path: `/dev/${name}`, number: readFileSync(`/sys/block/${name}/dev`, 'utf8').trim() };
}
