import { type Static, Type } from 'typebox';
import { GantryError } from '../../api/errors.ts';
import { Nullable } from '../../api/schemas/nullable.ts';
import type { Containers } from '../../engine/containers/containers.ts';
import { parseDetachKeys } from '../../engine/containers/detach-keys.ts';
import type { ApiRequest, Route } from '../contract.ts';
import { streamType, terminalSize } from './containers-io.ts';

const ExecCreateBody = Type.Object({
  AttachStdin: Type.Optional(Type.Boolean()),
  AttachStdout: Type.Optional(Type.Boolean()),
  AttachStderr: Type.Optional(Type.Boolean()),
  ConsoleSize: Type.Optional(Nullable(Type.Array(Type.Integer()))),
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
  ConsoleSize: Type.Optional(Nullable(Type.Array(Type.Integer()))),
});

/** The Engine API's Exec tag. */
export function execRoutes(containers: Containers): Route[] {
  const { execs } = containers;
  return [
    {
      method: 'POST',
      path: '/containers/:id/exec',
      operationId: 'ContainerExec',
      body: ExecCreateBody,
      async handler({ params, body }: ApiRequest<Static<typeof ExecCreateBody>>, reply) {
        const exec = execs.create(containers.resolve(params.id!), {
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
          consoleSize: consoleSize(body.ConsoleSize),
        });
        reply.json(201, { Id: exec.id });
      },
    },
    {
      method: 'POST',
      path: '/exec/:id/start',
      operationId: 'ExecStart',
      body: ExecStartBody,
      bodyOptional: true,
      async handler(request: ApiRequest<Static<typeof ExecStartBody>>, reply) {
        const { params, body } = request;
        const exec = execs.get(params.id!);
        const tty = body.Tty ?? false;
        const size = request.version.lessThan('1.42') ? null : consoleSize(body.ConsoleSize);
        if (body.Detach === true) {
          await execs.start(exec, { tty, consoleSize: size, open: null });
          reply.empty(200);
          return;
        }
        const open = () => reply.hijack(streamType(request, tty));
        await execs.start(exec, { tty, consoleSize: size, open });
      },
    },
    {
      method: 'POST',
      path: '/exec/:id/resize',
      operationId: 'ExecResize',
      async handler(request, reply) {
        const { rows, columns } = terminalSize(request);
        await execs.resize(execs.get(request.params.id!), rows, columns);
        reply.empty(200);
      },
    },
    {
      method: 'GET',
      path: '/exec/:id/json',
      operationId: 'ExecInspect',
      async handler({ params }, reply) {
        reply.json(200, execs.inspect(execs.get(params.id!)));
      },
    },
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
