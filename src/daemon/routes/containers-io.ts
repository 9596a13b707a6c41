import { GantryError } from '../../api/errors.ts';
import { ContainerWaitResponse } from '../../api/schemas/container.ts';
import { ContainerStatsResponse } from '../../api/schemas/stats.ts';
import type { Containers } from '../../engine/containers/containers.ts';
import type { WaitCondition } from '../../engine/containers/wait-list.ts';
import { type ApiRequest, type PlainRequest, type Route, route } from '../contract.ts';
import { bytes, empty, json, MULTIPLEXED_STREAM, RAW_STREAM } from '../http/answers.ts';
import { flag, type QueryValues, text } from '../http/parameters.ts';

const CONDITIONS: readonly string[] = ['not-running', 'next-exit', 'removed'];

const ATTACH = {
  detachKeys: text('Keys that detach from a terminal, as in "ctrl-p,ctrl-q"'),
  logs: flag('What was put out before'),
  stream: flag('Live output and input'),
  stdin: flag("Send to the process's stdin"),
  stdout: flag("Take the process's stdout"),
  stderr: flag("Take the process's stderr"),
};

/** Text and not numbers: the message for a wrong one names the side. */
export const SIZE = {
  h: text('Height of the terminal in characters'),
  w: text('Width of the terminal in characters'),
};

/** Operations whose reply is a stream: attach, wait, stats; and resize, which belongs to them. */
export function containerIoRoutes(containers: Containers): Route[] {
  return [...attachRoutes(containers), waitRoute(containers), statsRoute(containers)];
}

function attachRoutes(containers: Containers): Route[] {
  return [
    route({
      method: 'POST',
      path: '/containers/:id*/attach',
      operationId: 'ContainerAttach',
      summary: "Take over the connection as a container's input and output",
      query: ATTACH,
      answers: {
        101: bytes(
          'The connection is a stream now, framed unless the container has a terminal',
          RAW_STREAM,
          MULTIPLEXED_STREAM,
        ),
        200: bytes('The same, to a client that did not ask for an upgrade', RAW_STREAM),
      },
      refusals: [404, 409],
      async handler(request, reply) {
        const container = containers.resolve(request.params.id!);
        const type = streamType(request, container.record.config.Tty === true);
        await containers.attach(container, { ...request.query, framed: true }, () => reply.hijack(type));
      },
    }),
    route({
      method: 'GET',
      path: '/containers/:id*/attach/ws',
      operationId: 'ContainerAttachWebsocket',
      summary: 'The same over a websocket',
      query: ATTACH,
      answers: { 101: { description: 'The websocket is open: messages are input and output, without frames' } },
      refusals: [404, 409],
      async handler(request, reply) {
        const { version, query } = request;
        const container = containers.resolve(request.params.id!);
        // Before 1.42 a websocket carried all three, whatever it asked for.
        const streams = version.lessThan('1.42') ? { stdin: true, stdout: true, stderr: true } : {};
        await containers.attach(container, { ...query, ...streams, framed: false }, () =>
          reply.webSocket({ textMessages: version.lessThan('1.28') }),
        );
      },
    }),
    route({
      method: 'POST',
      path: '/containers/:id*/resize',
      operationId: 'ContainerResize',
      summary: "Size of a container's terminal",
      query: SIZE,
      answers: { 200: empty('It has that size') },
      refusals: [404, 409],
      async handler(request, reply) {
        const { rows, columns } = terminalSize(request.query);
        await containers.resize(containers.resolve(request.params.id!), rows, columns);
        reply.empty(200);
      },
    }),
  ];
}

function waitRoute(containers: Containers): Route {
  return route({
    method: 'POST',
    path: '/containers/:id*/wait',
    operationId: 'ContainerWait',
    summary: 'Wait for the end of a container',
    query: { condition: text('What to wait for', { missing: 'not-running', choices: CONDITIONS }) },
    answers: { 200: json('The head at once, the body when it has come', ContainerWaitResponse) },
    refusals: [404],
    async handler({ params, query, version, signal }, reply) {
      const condition = version.lessThan('1.30') ? 'not-running' : query.condition;
      if (!CONDITIONS.includes(condition)) {
        throw new GantryError('invalid_parameter', `invalid condition: "${condition}"`);
      }
      const container = containers.resolve(params.id!);
      const result = containers.wait(container, condition as WaitCondition, signal);
      // Sent at once: clients take the headers as the sign that the wait is registered, and start the container then.
      const body = version.lessThan('1.30') ? null : reply.stream(200, { 'Content-Type': 'application/json' });
      let answer: Record<string, unknown>;
      try {
        const { statusCode, error } = await result;
        // Clients of these versions take an empty body for the failure of a removal, and know no other sign.
        if (error !== null && condition === 'removed' && version.lessThan('1.34')) {
          body?.end();
          return;
        }
        answer = { StatusCode: statusCode, ...(error === null ? {} : { Error: { Message: error } }) };
      } catch (error) {
        body?.destroy();
        if (signal.aborted) return;
        throw error;
      }
      if (body === null) reply.json(200, answer);
      else body.end(`${JSON.stringify(answer)}\n`);
    },
  });
}

function statsRoute(containers: Containers): Route {
  return route({
    method: 'GET',
    path: '/containers/:id*/stats',
    operationId: 'ContainerStats',
    summary: "A container's use of the machine",
    query: {
      stream: flag('One sample a second until the client leaves', { missing: true }),
      'one-shot': flag('With stream=false: one sample at once, with nothing to compare it to'),
    },
    answers: { 200: json('A sample, or one after the other', ContainerStatsResponse) },
    refusals: [404],
    async handler({ params, query, version, signal }, reply) {
      const { stream } = query;
      const oneShot = version.lessThan('1.41') ? false : query['one-shot'];
      const container = containers.resolve(params.id!);
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
  });
}

/** Frames are announced to clients that ask for an upgrade and know the type (1.42). */
export function streamType({ headers, version }: PlainRequest | ApiRequest, tty: boolean): string {
  const announced = headers.upgrade !== undefined && !version.lessThan('1.42');
  return announced && !tty ? MULTIPLEXED_STREAM : RAW_STREAM;
}

/** Throws invalid_parameter that names the side, in Docker's words. */
export function terminalSize({ h, w }: QueryValues<typeof SIZE>): { rows: number; columns: number } {
  const size = (name: string, value: string) => {
    const wrong = (why: string) =>
      new GantryError('invalid_parameter', `invalid resize ${name} ${JSON.stringify(value)}: ${why}`);
    if (!/^-?\d+$/.test(value)) throw wrong('invalid syntax');
    if (value.startsWith('-') || Number(value) > 0xffff_ffff) throw wrong('value out of range');
    // The kernel keeps 16 bits.
    return Math.min(Number(value), 65_535);
  };
  return { rows: size('height', h), columns: size('width', w) };
}
