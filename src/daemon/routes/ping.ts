import { type ApiReply, type Route, route } from '../contract.ts';
import { bytes, empty } from '../http/answers.ts';

/** The hot way to see that the daemon is there and what it speaks (SystemPing); clients negotiate the version by its headers. */
export function pingRoutes(): Route[] {
  const TYPE = 'text/plain; charset=utf-8';
  const headers = {
    'Content-Type': TYPE,
    'Cache-Control': 'no-cache, no-store, must-revalidate',
    Pragma: 'no-cache',
    'Builder-Version': '1',
    Swarm: 'inactive',
  };
  return [
    route({
      method: 'GET',
      path: '/_ping',
      operationId: 'SystemPing',
      summary: 'Whether the daemon is there, and what it speaks',
      answers: { 200: bytes('OK', TYPE) },
      async handler(_request, reply: ApiReply) {
        reply.stream(200, { ...headers, 'Content-Length': '2' }).end('OK');
      },
    }),
    route({
      method: 'HEAD',
      path: '/_ping',
      operationId: 'SystemPingHead',
      summary: 'The headers of the same',
      answers: { 200: empty('It is there') },
      async handler(_request, reply: ApiReply) {
        reply.empty(200, { ...headers, 'Content-Length': '0' });
      },
    }),
  ];
}
