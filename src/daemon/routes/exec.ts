import { Type } from 'typebox';
import { GantryError } from '../../api/errors.ts';
import { ExecInspectResponse } from '../../api/schemas/exec.ts';
import { Nullable } from '../../api/schemas/nullable.ts';
import { IDResponse } from '../../api/schemas/system.ts';
import type { Containers } from '../../engine/containers/containers.ts';
import { parseDetachKeys } from '../../engine/containers/detach-keys.ts';
import { type Route, route } from '../contract.ts';
import { empty, json, MULTIPLEXED_STREAM, RAW_STREAM } from '../http/answers.ts';
import { SIZE, streamType, terminalSize } from './containers-io.ts';

const ConsoleSize = Type.Optional(Nullable(Type.Array(Type.Integer(), { description: 'Height and width' })));

const ExecCreateBody = Type.Object({
  AttachStdin: Type.Optional(Type.Boolean()),
  AttachStdout: Type.Optional(Type.Boolean()),
  AttachStderr: Type.Optional(Type.Boolean()),
  ConsoleSize,
  DetachKeys: Type.Optional(Type.String()),
  Tty: Type.Optional(Type.Boolean()),
  Env: Type.Optional(Type.Array(Type.String())),
  Cmd: Type.Optional(Type.Array(Type.String())),
  Privileged: Type.Optional(Type.Boolean()),
  User: Type.Optional(Type.String()),
  WorkingDir: Type.Optional(Type.String()),
});

const ExecStartBody = Type.Object({
  Detach: Type.Optional(Type.Boolean()),
  Tty: Type.Optional(Type.Boolean()),
  ConsoleSize,
});

/** The Engine API's Exec tag. */
export function execRoutes(containers: Containers): Route[] {
  return [createRoute(containers), startRoute(containers), ...otherRoutes(containers)];
}

function createRoute(containers: Containers): Route {
  return route({
    method: 'POST',
    path: '/containers/:id*/exec',
    operationId: 'ContainerExec',
    summary: 'Prepare a command for a running container',
    body: ExecCreateBody,
    answers: { 201: json('It can be started', IDResponse) },
    refusals: [404, 409],
    async handler({ params, body, version }, reply) {
      if ((body.Cmd ?? []).length === 0) throw new GantryError('invalid_parameter', 'No exec command specified');
      const config = {
        args: body.Cmd ?? [],
        env: body.Env ?? [],
        user: body.User ?? '',
        workingDir: body.WorkingDir ?? '',
        tty: body.Tty ?? false,
        privileged: body.Privileged ?? false,
        attachStdin: body.AttachStdin ?? false,
        attachStdout: body.AttachStdout ?? false,
        attachStderr: body.AttachStderr ?? false,
        detachKeys: parseDetachKeys(body.DetachKeys ?? ''),
        consoleSize: version.lessThan('1.42') ? null : consoleSize(body.ConsoleSize),
      };
      const exec = containers.execs.create(containers.resolve(params.id!), config, params.id);
      reply.json(201, { Id: exec.id });
    },
  });
}

function startRoute(containers: Containers): Route {
  return route({
    method: 'POST',
    path: '/exec/:id/start',
    operationId: 'ExecStart',
    summary: 'Start a command, and take over the connection as its input and output',
    body: ExecStartBody,
    answers: {
      101: {
        description: 'The connection is a stream now, framed unless the command has a terminal',
        types: [RAW_STREAM, MULTIPLEXED_STREAM],
      },
      200: {
        description: 'With Detach: it runs. Without: the stream, to a client that did not ask for an upgrade',
        types: [RAW_STREAM],
      },
    },
    refusals: [404, 409],
    async handler(request, reply) {
      const { execs } = containers;
      const { params, body, version } = request;
      const exec = execs.get(params.id!);
      const tty = body.Tty ?? false;
      // No console without a terminal.
      const size = version.lessThan('1.42') || !tty ? null : consoleSize(body.ConsoleSize);
      if (body.Detach === true) {
        await execs.start(exec, { tty, consoleSize: size, open: null });
        reply.empty(200);
        return;
      }
      const open = () => reply.hijack(streamType(request, tty));
      await execs.start(exec, { tty, consoleSize: size, open });
    },
  });
}

function otherRoutes(containers: Containers): Route[] {
  return [
    route({
      method: 'POST',
      path: '/exec/:id/resize',
      operationId: 'ExecResize',
      summary: "Size of a command's terminal",
      query: SIZE,
      answers: { 200: empty('It has that size') },
      refusals: [404, 409],
      async handler({ params, query }, reply) {
        const { execs } = containers;
        const { rows, columns } = terminalSize(query);
        await execs.resize(execs.get(params.id!), rows, columns);
        reply.empty(200);
      },
    }),
    route({
      method: 'GET',
      path: '/exec/:id/json',
      operationId: 'ExecInspect',
      summary: 'All about a command',
      answers: { 200: json('The command', ExecInspectResponse) },
      refusals: [404],
      async handler({ params }, reply) {
        const { execs } = containers;
        reply.json(200, execs.inspect(execs.get(params.id!)));
      },
    }),
  ];
}

/** [height, width]; null for none, or for the zeros that clients without a terminal send. Throws invalid_parameter. */
function consoleSize(size: number[] | null | undefined): { rows: number; columns: number } | null {
  if (size === null || size === undefined) return null;
  const [rows, columns] = size;
  if (size.length !== 2 || rows === undefined || columns === undefined) {
    throw new GantryError('invalid_parameter', 'ConsoleSize must be an array of height and width');
  }
  return rows === 0 || columns === 0 ? null : { rows, columns };
}
