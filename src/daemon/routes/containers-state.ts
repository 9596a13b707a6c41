import { GantryError, notSupportedYet } from '../../api/errors.ts';
import type { Containers } from '../../engine/containers/containers.ts';
import { parseSignal } from '../../engine/containers/signals.ts';
import { type Answer, type ApiVersion, type PlainRequest, type Route, route } from '../contract.ts';
import { empty } from '../http/answers.ts';
import { number, type QueryShape, type QueryValues, text } from '../http/parameters.ts';

const STOP = {
  signal: text("Instead of the container's own stop signal"),
  t: number("Seconds until it is killed, instead of the container's own; negative waits for ever"),
};

interface Action<Q extends QueryShape> {
  name: string;
  operationId: string;
  summary: string;
  query?: Q;
  /** What 204 says. */
  done: string;
  /** What 304 says, of operations that know it. */
  already?: string;
  work(request: PlainRequest & { query: QueryValues<Q> }): Promise<void>;
}

/** Operations that move a container from one state to another: POST /containers/:id/<name>, answered with 204. */
export function containerStateRoutes(containers: Containers): Route[] {
  const of = ({ params }: PlainRequest) => containers.resolve(params.id!);
  return [
    action({
      name: 'start',
      operationId: 'ContainerStart',
      summary: 'Start a container',
      query: {
        detachKeys: text('Of no effect, as with Docker: an attach has keys of its own'),
        checkpoint: text('Not supported yet'),
        'checkpoint-dir': text('Not supported yet'),
      },
      done: 'It runs',
      already: 'It ran already',
      async work(request) {
        const { headers, query } = request;
        if (Number(headers['content-length'] ?? 0) > 7 || headers['transfer-encoding'] !== undefined) {
          throw new GantryError(
            'invalid_parameter',
            'starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24',
          );
        }
        if (query.checkpoint !== '' || query['checkpoint-dir'] !== '') {
          throw notSupportedYet('starting from a checkpoint');
        }
        await containers.start(of(request));
      },
    }),
    action({
      name: 'stop',
      operationId: 'ContainerStop',
      summary: 'Stop a container',
      query: STOP,
      done: 'It has stopped',
      already: 'It did not run',
      work: (request) => containers.stop(of(request), stopOptions(request.query, request.version)),
    }),
    action({
      name: 'restart',
      operationId: 'ContainerRestart',
      summary: 'Stop a container that runs, and start it',
      query: STOP,
      done: 'It runs',
      work: (request) => containers.restart(of(request), stopOptions(request.query, request.version)),
    }),
    action({
      name: 'kill',
      operationId: 'ContainerKill',
      summary: 'Send a signal to a container',
      query: { signal: text('Name or number of the signal', { missing: 'SIGKILL' }) },
      done: 'It is sent',
      async work(request) {
        try {
          parseSignal(request.query.signal);
          await containers.kill(of(request), request.query.signal);
        } catch (error) {
          if (!(error instanceof GantryError)) throw error;
          const message = `cannot kill container: ${request.params.id}: ${error.message}`;
          throw new GantryError(error.code, message, { cause: error });
        }
      },
    }),
    action({
      name: 'pause',
      operationId: 'ContainerPause',
      summary: "Freeze a container's processes",
      done: 'They stand still',
      work: (request) => containers.pause(of(request)),
    }),
    action({
      name: 'unpause',
      operationId: 'ContainerUnpause',
      summary: "Thaw a container's processes",
      done: 'They run again',
      work: (request) => containers.unpause(of(request)),
    }),
  ];
}

function action<const Q extends QueryShape = Record<never, never>>(spec: Action<Q>): Route {
  const answers: Record<number, Answer> = { 204: empty(spec.done) };
  if (spec.already !== undefined) answers[304] = empty(spec.already);
  return route<Q>({
    method: 'POST',
    path: `/containers/:id/${spec.name}`,
    operationId: spec.operationId,
    summary: spec.summary,
    ...(spec.query === undefined ? {} : { query: spec.query }),
    answers,
    refusals: [404, 409],
    async handler(request, reply) {
      await spec.work(request);
      reply.empty(204);
    },
  });
}

function stopOptions(query: QueryValues<typeof STOP>, version: ApiVersion) {
  return { signal: version.lessThan('1.42') ? '' : query.signal, timeout: query.t };
}
