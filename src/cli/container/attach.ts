/** A container's streams on the client's: what attach, run and start have in common. */

import type { Client, Hijacked } from '../../api/client/client.ts';
import type { Context } from '../command.ts';
import { containerPath } from '../commands/each.ts';
import type { SessionEnd, SessionOptions } from '../terminal/session.ts';

/** What is attached, and how. */
export interface Attachment {
  tty: boolean;
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  /** '' for the default. */
  detachKeys: string;
}

/** The flag's, else the configuration's; '' for the default. */
export function detachKeysOf(ctx: Context, flag: string): string {
  return flag || ctx.config().detachKeys || '';
}

export function attach(client: Client, id: string, attachment: Attachment): Promise<Hijacked> {
  const { stdin, stdout, stderr, detachKeys } = attachment;
  return client.hijack('POST', containerPath(id, 'attach'), {
    query: {
      stream: true,
      stdin: stdin || undefined,
      stdout: stdout || undefined,
      stderr: stderr || undefined,
      detachKeys: detachKeys || undefined,
    },
  });
}

/** The attachment as a session with the streams of this process. */
export function sessionOptions(ctx: Context, attachment: Attachment): SessionOptions {
  return {
    tty: attachment.tty,
    stdin: attachment.stdin ? ctx.stdin : undefined,
    stdout: attachment.stdout ? ctx.stdout : undefined,
    stderr: attachment.stderr ? ctx.stderr : undefined,
    detachKeys: attachment.detachKeys,
  };
}

/** Starts a container that is attached; a start that fails ends the session before it throws. */
export async function startAttached(
  client: Client,
  id: string,
  { stream }: Hijacked,
  session: Promise<SessionEnd>,
): Promise<void> {
  session.catch(() => {});
  try {
    await client.send('POST', containerPath(id, 'start'));
  } catch (error) {
    stream.destroy();
    await session.catch(() => {});
    throw error;
  }
}
