import { GantryError } from '../../api/errors.ts';
import type { Containers } from '../../engine/containers/containers.ts';
import type { WaitCondition } from '../../engine/containers/wait-list.ts';
import type { ApiRequest, Route } from '../contract.ts';

export const RAW_STREAM = 'application/vnd.docker.raw-stream';
export const MULTIPLEXED_STREAM = 'application/vnd.docker.multiplexed-stream';

const CONDITIONS: readonly string[] = ['not-running', 'next-exit', 'removed'];

/** Operations whose reply is a stream: attach, wait, stats; and resize, which belongs to them. */
export function containerIoRoutes(containers: Containers): Route[] {
  return [
    {
      method: 'POST',
      path: '/containers/:id/attach',
      operationId: 'ContainerAttach',
      async handler(request, reply) {
        const container = containers.resolve(request.params.id!);
        const type = streamType(request, container.record.config.Tty === true);
        await containers.attach(container, attachOptions(request, true), () => reply.hijack(type));
      },
    },
    {
      method: 'GET',
      path: '/containers/:id/attach/ws',
      operationId: 'ContainerAttachWebsocket',
      async handler(request, reply) {
        const container = containers.resolve(request.params.id!);
        const options = attachOptions(request, false);
        // Before 1.42 a websocket carried all three, whatever it asked for.
        const streams = request.version.lessThan('1.42') ? { stdin: true, stdout: true, stderr: true } : {};
        await containers.attach(container, { ...options, ...streams }, () => reply.webSocket());
      },
    },
    {
      method: 'POST',
      path: '/containers/:id/resize',
      operationId: 'ContainerResize',
      async handler(request, reply) {
        const { rows, columns } = terminalSize(request);
        await containers.resize(containers.resolve(request.params.id!), rows, columns);
        reply.empty(200);
      },
    },
    {
      method: 'POST',
      path: '/containers/:id/wait',
      operationId: 'ContainerWait',
      async handler({ params, query, version, signal }, reply) {
        const condition = version.lessThan('1.30') ? '' : query.string('condition');
        if (condition !== '' && !CONDITIONS.includes(condition)) {
          throw new GantryError('invalid_parameter', `invalid condition: "${condition}"`);
        }
        const container = containers.resolve(params.id!);
        const result = containers.wait(container, (condition || 'not-running') as WaitCondition, signal);
        // Sent at once: clients take the headers as the sign that the wait is registered, and start the container then.
        const body = version.lessThan('1.30') ? null : reply.stream(200, { 'Content-Type': 'application/json' });
        let answer: Record<string, unknown>;
        try {
          const { statusCode, error } = await result;
          answer = { StatusCode: statusCode, ...(error === null ? {} : { Error: { Message: error } }) };
        } catch (error) {
          body?.destroy();
          if (signal.aborted) return;
          throw error;
        }
        if (body === null) reply.json(200, answer);
        else body.end(`${JSON.stringify(answer)}\n`);
      },
    },
    {
      method: 'GET',
      path: '/containers/:id/stats',
      operationId: 'ContainerStats',
      async handler({ params, query, version, signal }, reply) {
        const container = containers.resolve(params.id!);
        const stream = query.bool('stream', true);
        const oneShot = version.lessThan('1.41') ? false : query.bool('one-shot');
        if (stream && oneShot) {
          throw new GantryError('invalid_parameter', 'cannot have stream=true and one-shot=true');
        }
        const body = reply.stream(200, { 'Content-Type': 'application/json' });
        for await (const sample of containers.stats(container, { stream, oneShot, signal })) {
          if (body.write(`${JSON.stringify(sample)}\n`)) continue;
          await new Promise((resolve) => body.once('drain', resolve).once('close', resolve));
        }
        body.end();
      },
    },
  ];
}

/** Frames are announced to clients that ask for an upgrade and know the type (1.42). */
export function streamType({ headers, version }: ApiRequest, tty: boolean): string {
  const announced = headers.upgrade !== undefined && !version.lessThan('1.42');
  return announced && !tty ? MULTIPLEXED_STREAM : RAW_STREAM;
}

/** Query parameters h and w. Throws invalid_parameter. */
export function terminalSize({ query }: ApiRequest): { rows: number; columns: number } {
  const size = (name: string) => {
    const text = query.string(name);
    if (!/^\d+$/.test(text)) {
      throw new GantryError('invalid_parameter', `strconv.ParseUint: parsing "${text}": invalid syntax`);
    }
    return Math.min(Number(text), 65_535);
  };
  return { rows: size('h'), columns: size('w') };
}

function attachOptions({ query }: ApiRequest, framed: boolean) {
  return {
    stdin: query.bool('stdin'),
    stdout: query.bool('stdout'),
    stderr: query.bool('stderr'),
    stream: query.bool('stream'),
    logs: query.bool('logs'),
    detachKeys: query.string('detachKeys'),
    framed,
  };
}
