/** Creating a container for run and create: image pulled when missing, warnings printed, ID file written. */

import { existsSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { type Client, compareVersions } from '../../api/client/client.ts';
import { ApiError } from '../../api/client/errors.ts';
import type { ContainerCreateResponse } from '../../api/schemas/container.ts';
import { type Context, StatusError } from '../command.ts';
import type { FlagValues } from '../flags/spec.ts';
import { openError } from '../io.ts';
import { type CreateBody, createBody } from './create-body.ts';
import { type CREATE_FLAGS, WINDOWS_FLAGS } from './flags.ts';
import { checkPlatform, wantedPlatform } from './platform.ts';

type Flags = FlagValues<typeof CREATE_FLAGS>;

/** Checks what needs no engine and makes the request's body. */
export function prepare(ctx: Context, flags: Flags, address: string): CreateBody {
  if (!['always', 'missing', 'never'].includes(flags.pull)) {
    throw new Error(`invalid pull option: '${flags.pull}': must be one of "always", "missing" or "never"`);
  }
  for (const name of WINDOWS_FLAGS) {
    if (ctx.changed.has(name)) {
      throw new StatusError(
        1,
        `"--${name}" is only supported on a Docker daemon running on windows, but the Gantry daemon is running on linux`,
      );
    }
  }
  if (flags['use-api-socket']) throw new Error('--use-api-socket is not supported yet');
  if (!flags['disable-content-trust']) throw new Error('--disable-content-trust=false is not supported yet');
  const proxies = ctx.config().proxies;
  const body = createBody({
    flags,
    changed: ctx.changed,
    args: ctx.args,
    env: ctx.env,
    proxy: proxies?.[address] ?? proxies?.default,
  });
  if (flags.tty && ctx.stdout.isTTY) body.HostConfig.ConsoleSize = [ctx.stdout.rows(), ctx.stdout.columns()];
  return body;
}

/** Sends the request; resolves with the container's ID. */
export async function create(ctx: Context, flags: Flags, client: Client, body: CreateBody): Promise<string> {
  const platform = wantedPlatform(flags.platform, ctx.env);
  if (platform !== '') {
    try {
      checkPlatform(platform);
    } catch (error) {
      throw new Error(`error parsing specified platform: ${(error as Error).message}`, { cause: error });
    }
  }
  if (flags.cidfile !== '') {
    if (existsSync(flags.cidfile)) {
      throw new Error(
        `container ID file found, make sure the other container isn't running or delete ${flags.cidfile}`,
      );
    }
    try {
      writeFileSync(flags.cidfile, '');
    } catch (error) {
      throw new Error(`failed to create the container ID file: ${openError(error, flags.cidfile)}`, { cause: error });
    }
  }
  let written = false;
  try {
    await placeMacAddress(client, body);
    if (flags.pull === 'always') await pull(ctx, client, flags, body.Image!);
    const send = () =>
      client.json<ContainerCreateResponse>('POST', '/containers/create', {
        query: { name: flags.name || undefined, platform: platform || undefined },
        json: body,
      });
    let answer: ContainerCreateResponse;
    try {
      answer = await send();
    } catch (error) {
      const missing =
        error instanceof ApiError && error.status === 404 && /No such image|specified platform/.test(error.detail);
      if (!missing || flags.pull !== 'missing') throw error;
      if (!flags.quiet) ctx.stderr.write(`Unable to find image '${familiar(body.Image!)}' locally\n`);
      await pull(ctx, client, flags, body.Image!);
      answer = await send();
    }
    for (const warning of answer.Warnings ?? []) ctx.stderr.write(`WARNING: ${warning}\n`);
    if (flags.cidfile !== '') {
      writeFileSync(flags.cidfile, answer.Id!);
      written = true;
    }
    return answer.Id!;
  } finally {
    // An empty file is one that this call made and that no container has filled.
    if (flags.cidfile !== '' && !written && existsSync(flags.cidfile) && statSync(flags.cidfile).size === 0)
      rmSync(flags.cidfile);
  }
}

/** Engines before API 1.44 know a MAC address of the container only, not of its endpoints. */
async function placeMacAddress(client: Client, body: CreateBody): Promise<void> {
  const endpoints = Object.values(body.NetworkingConfig?.EndpointsConfig ?? {});
  const address = endpoints.find(({ MacAddress }) => MacAddress)?.MacAddress;
  if (address && compareVersions(await client.apiVersion(), '1.44') < 0) body.MacAddress = address;
}

async function pull(ctx: Context, client: Client, flags: Flags, image: string): Promise<void> {
  const { pullImage } = await import('../progress/pull.ts');
  await pullImage(client, image, wantedPlatform(flags.platform, ctx.env), flags.quiet ? undefined : ctx.stderr);
}

/** The reference with the tag that is meant when there is none. */
export function familiar(image: string): string {
  if (image.includes('@')) return image;
  return /:[^/]*$/.test(image) ? image : `${image}:latest`;
}

/** Exit status of a start that failed: 127 for a command that is not there, 126 for one that cannot run, otherwise 125. */
export function startFailureStatus(message: string): number {
  if (/executable file not found|no such file or directory|system cannot find the file specified/.test(message))
    return 127;
  if (/permission denied|is a directory/.test(message)) return 126;
  return 125;
}
