import type { ApiReply, Route } from '../contract.ts';

/** The hot way to see that the daemon is there and what it speaks (SystemPing); clients negotiate the version by its headers. */
export function pingRoutes(): Route[] {
  const headers = {
    'Content-Type': 'text/plain; charset=utf-8',
    'Cache-Control': 'no-cache, no-store, must-revalidate',
    Pragma: 'no-cache',
    'Builder-Version': '1',
    Swarm: 'inactive',
  };
  return [
    {
      method: 'GET',
      path: '/_ping',
      operationId: 'SystemPing',
      async handler(_request, reply: ApiReply) {
        reply.stream(200, { ...headers, 'Content-Length': '2' }).end('OK');
      },
    },
    {
      method: 'HEAD',
      path: '/_ping',
      operationId: 'SystemPingHead',
      async handler(_request, reply: ApiReply) {
        reply.empty(200, { ...headers, 'Content-Length': '0' });
      },
    },
  ];
}
