import { execFile } from 'node:child_process';
import os from 'node:os';
import { promisify } from 'node:util';
import type { SystemVersion } from '../../api/schemas/system.ts';
import { API_VERSION, MIN_API_VERSION } from '../../api/version.ts';
import type { EngineContext } from '../context.ts';

export interface Product {
  version: string;
  gitCommit: string;
  buildTime: string;
}

export interface Programs {
  runtime: string;
  runtimeCommit: string;
  /** Commit of runc, whichever runtime is the default: info has a field for it. */
  runc: string;
  init: string;
}

const goArch = (): string => ({ x64: 'amd64', arm64: 'arm64' })[os.arch() as string] ?? os.arch();

/** Asks the default runtime and the init for their versions; '' for one that does not answer. Not on the start path. */
export async function programVersions(context: EngineContext): Promise<Programs> {
  const { settings } = context;
  const ask = async (name: string) =>
    await context.runtimes
      .get(name)
      ?.version()
      .catch(() => null);
  const runtime = await ask(settings.defaultRuntime);
  const runc = settings.defaultRuntime === 'runc' ? runtime : await ask('runc');
  let init = '';
  try {
    const { stdout } = await promisify(execFile)(settings.initPath, ['--version']);
    init = /version (\S+)/.exec(stdout)?.[1] ?? '';
  } catch {
    // No init installed: --init will say so.
  }
  return {
    runtime: runtime?.version ?? '',
    runtimeCommit: runtime?.commit ?? '',
    runc: runc?.commit || runc?.version || '',
    init,
  };
}

/** `docker version`, the server's part (Engine API, SystemVersion). */
export function systemVersion(context: EngineContext, product: Product, programs: Programs): SystemVersion {
  const details = {
    ApiVersion: API_VERSION,
    Arch: goArch(),
    BuildTime: product.buildTime,
    Experimental: 'false',
    GitCommit: product.gitCommit,
    KernelVersion: os.release(),
    MinAPIVersion: MIN_API_VERSION,
    // Clients print it: an empty line reads as missing.
    GoVersion: `node ${process.version}`,
    NodeVersion: process.version,
    Os: 'linux',
  };
  return {
    Platform: { Name: 'Gantry Engine' },
    Components: [
      { Name: 'Engine', Version: product.version, Details: details },
      {
        Name: context.settings.defaultRuntime,
        Version: programs.runtime,
        Details: { GitCommit: programs.runtimeCommit },
      },
      { Name: 'docker-init', Version: programs.init, Details: { GitCommit: '' } },
    ],
    Version: product.version,
    ApiVersion: API_VERSION,
    MinAPIVersion: MIN_API_VERSION,
    GitCommit: product.gitCommit,
    GoVersion: details.GoVersion,
    Os: 'linux',
    Arch: goArch(),
    KernelVersion: os.release(),
    BuildTime: product.buildTime,
  };
}
