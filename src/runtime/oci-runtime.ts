import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, openSync, unlinkSync, writeSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { GantryError } from '../api/errors.ts';
import type { OciRuntime, OciState, RuntimeBinary } from './contract.ts';
import type { OciResources } from './spec/types.ts';

interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

/** An OCI runtime program (runtime-spec's command line as runc defines it), for the calls that need no monitor. */
export class OciRuntimeProgram implements OciRuntime {
  readonly binary: RuntimeBinary;
  #name: string | null = null;

  constructor(binary: RuntimeBinary) {
    this.binary = binary;
  }

  /** Throws GantryError('system') when the program cannot be run. */
  async version(): Promise<{ version: string; commit: string }> {
    const { stdout } = await this.#run(['--version']);
    return {
      version: /^\S+ version (\S+)/m.exec(stdout)?.[1] ?? '',
      commit: /^commit:\s*(\S+)/m.exec(stdout)?.[1] ?? '',
    };
  }

  async state(id: string): Promise<OciState | null> {
    const { code, stdout, stderr } = await this.#run(['state', id]);
    if (code === 0) {
      const { status, pid } = JSON.parse(stdout) as OciState;
      return { status, pid };
    }
    if (isGone(stderr)) return null;
    throw this.#failure('state', id, stderr);
  }

  async delete(id: string, force: boolean): Promise<void> {
    const { code, stderr } = await this.#run(force ? ['delete', '--force', id] : ['delete', id]);
    if (code !== 0 && !isGone(stderr)) throw this.#failure('delete', id, stderr);
  }

  /** What takes a limit away (-1) is for liftLimits() where the runtime cannot. */
  async update(id: string, resources: OciResources): Promise<void> {
    // crun 1.8 writes -1 as it is, which the kernel refuses (pids.max, quota on v1), or passes it over (quota on v2).
    const possible = (await this.#programName()) === 'crun' ? withoutLifted(resources) : resources;
    // From a file: crun opens /dev/stdin by name, which the socket pairs of Node's stdio refuse.
    const fd = nameless(JSON.stringify(possible));
    try {
      const file = `/proc/${process.pid}/fd/${fd}`;
      const { code, stderr } = await this.#run(['update', '--resources', file, id]);
      if (code !== 0) {
        const why = `${path.basename(this.binary.path)} did not terminate successfully: exit status ${code}`;
        throw new GantryError('system', `Cannot update container ${id}: ${why}: ${lastError(stderr)}: unknown`);
      }
    } finally {
      closeSync(fd);
    }
  }

  /** First word of what it says of its version ("crun", "runc"), whatever its file is called. */
  async #programName(): Promise<string> {
    this.#name ??= (await this.#run(['--version'])).stdout.split(' ', 1)[0] ?? '';
    return this.#name;
  }

  #failure(call: string, id: string, stderr: string): GantryError {
    return new GantryError('system', `OCI runtime ${call} failed for container ${id}: ${lastError(stderr)}: unknown`);
  }

  #run(args: string[]): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      execFile(this.binary.path, [...this.binary.args, ...args], (error, stdout, stderr) => {
        if (error !== null && typeof error.code !== 'number' && !error.killed && error.signal == null) {
          reject(
            new GantryError('system', `cannot run OCI runtime ${this.binary.path}: ${error.message}`, { cause: error }),
          );
        } else {
          resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : 255, stdout, stderr });
        }
      });
    });
  }
}

function withoutLifted({ memory, cpu, pids, ...others }: OciResources): OciResources {
  const { swap, ...otherMemory } = memory ?? {};
  const { quota, ...otherCpu } = cpu ?? {};
  return {
    ...others,
    ...(memory === undefined
      ? {}
      : { memory: { ...otherMemory, ...(swap === undefined || swap < 0 ? {} : { swap }) } }),
    ...(cpu === undefined ? {} : { cpu: { ...otherCpu, ...(quota === undefined || quota < 0 ? {} : { quota }) } }),
    ...(pids === undefined || pids.limit < 0 ? {} : { pids }),
  };
}

/** A file that goes with its descriptor, however this process ends: nothing stays in the directory for temporary files. */
function nameless(content: string): number {
  const name = path.join(os.tmpdir(), `gantry-${randomBytes(8).toString('hex')}`);
  const fd = openSync(name, 'wx+', 0o600);
  unlinkSync(name);
  writeSync(fd, content);
  return fd;
}

/** What a runtime says of its failure: runc as its log's last line of level error, crun plainly. */
function lastError(stderr: string): string {
  const logged = [...stderr.matchAll(/level=error msg=("(?:[^"\\]|\\.)*")/g)].at(-1)?.[1];
  return logged === undefined ? stderr.trim() : (JSON.parse(logged) as string);
}

/** runc: "container does not exist"; crun: "error opening file ...status: No such file or directory". */
function isGone(stderr: string): boolean {
  return /does not exist|No such file or directory/i.test(stderr);
}
