/** Waiting for a container's end. */

import type { Client } from '../../api/client/client.ts';
import type { ContainerWaitResponse } from '../../api/schemas/container.ts';
import { containerPath } from '../commands/each.ts';

export interface Waiting {
  /** The exit status, or -- when the engine could not wait -- an error. */
  readonly status: Promise<number>;
}

/** Resolves once the engine has registered the wait (its head has come), so that a start after it cannot be missed. */
export async function waitFor(
  client: Client,
  container: string,
  condition: 'next-exit' | 'removed' | 'not-running',
): Promise<Waiting> {
  const response = await client.request('POST', containerPath(container, 'wait'), { query: { condition } });
  const status = response.json<ContainerWaitResponse>().then((answer) => {
    if (answer.Error?.Message) throw new Error(answer.Error.Message);
    return answer.StatusCode ?? 0;
  });
  // Whoever starts the container may fail before anybody looks at the status.
  status.catch(() => {});
  return { status };
}
