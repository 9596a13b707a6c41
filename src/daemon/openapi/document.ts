import type { Route } from '../contract.ts';
import { MAX_API_VERSION } from '../http/version.ts';

/** The daemon's own description (OpenAPI 3.1, whose schemas are JSON Schema as TypeBox makes it), from the routes it serves. */
export function openApiDocument(routes: readonly Route[], productVersion: string): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) {
    const path = route.path.replace(/:(\w+)\*?/g, '{$1}');
    paths[path] ??= {};
    paths[path][route.method.toLowerCase()] = operation(route);
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Gantry Engine API',
      version: MAX_API_VERSION,
      description: `The Docker Engine API as Gantry ${productVersion} serves it. Paths may be prefixed with a version, as in /v1.41/info.`,
    },
    servers: [{ url: `/v${MAX_API_VERSION}` }, { url: '/' }],
    paths,
    components: {
      schemas: {
        ErrorResponse: {
          type: 'object',
          required: ['message'],
          properties: { message: { type: 'string' } },
        },
      },
    },
  };
}

function operation(route: Route): object {
  const names = [...route.path.matchAll(/:(\w+)\*?/g)].map(([, name]) => name!);
  return {
    operationId: route.operationId,
    tags: [route.path.split('/')[1]],
    ...(names.length === 0
      ? {}
      : { parameters: names.map((name) => ({ name, in: 'path', required: true, schema: { type: 'string' } })) }),
    ...(route.body === undefined
      ? {}
      : {
          requestBody: {
            required: route.bodyOptional !== true,
            content: { 'application/json': { schema: route.body } },
          },
        }),
    responses: {
      default: {
        description: 'The result of the operation, or an error with a message',
        content: { 'application/json': { schema: { $ref: '#/components/schemas/ErrorResponse' } } },
      },
    },
  };
}
