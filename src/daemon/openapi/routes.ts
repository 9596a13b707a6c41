import type { Route } from '../contract.ts';
import { openApiDocument } from './document.ts';

/** Serves the description of `routes`; made when it is first asked for. */
export function openApiRoutes(routes: readonly Route[], productVersion: string): Route[] {
  let text: string | null = null;
  return [
    {
      method: 'GET',
      path: '/openapi.json',
      operationId: 'OpenApi',
      async handler(_request, reply) {
        text ??= JSON.stringify(openApiDocument(routes, productVersion));
        reply.rawJson(200, text);
      },
    },
  ];
}
