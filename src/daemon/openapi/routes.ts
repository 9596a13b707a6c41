import { Type } from 'typebox';
import { type Route, route } from '../contract.ts';
import { json } from '../http/answers.ts';
import { openApiDocument } from './document.ts';

/** Serves the description of `routes` and of itself; made when it is first asked for. */
export function openApiRoutes(routes: readonly Route[], productVersion: string): Route[] {
  let text: string | null = null;
  const own = route({
    method: 'GET',
    path: '/openapi.json',
    operationId: 'OpenApi',
    summary: 'This description (OpenAPI 3.1)',
    answers: { 200: json('The description', Type.Record(Type.String(), Type.Any())) },
    async handler(_request, reply) {
      text ??= JSON.stringify(openApiDocument([...routes, own], productVersion));
      reply.rawJson(200, text);
    },
  });
  return [own];
}
