import type { TSchema } from 'typebox';
import { ErrorResponse } from '../../api/schemas/system.ts';
import { API_VERSION, MIN_API_VERSION } from '../../api/version.ts';
import type { Answer, Route } from '../contract.ts';
import type { QueryParameter } from '../http/parameters.ts';
import { SchemaComponents } from './components.ts';

/** HTTP's own words, for answers that have none of their own (RFC 9110). */
const REASONS: Record<number, string> = {
  400: 'The request cannot be understood, or a value in it cannot be used',
  403: 'Not allowed, whoever asks',
  404: 'No such object',
  409: "The object's state, or another's, stands against it",
  500: 'The host, the runtime or the engine failed',
  501: 'Part of the API that this version does not have',
  503: 'Not now: something that is needed is missing',
};

const PATH_PARAMETERS: Record<string, string> = {
  id: 'ID, unambiguous prefix of one, or name',
  name: 'Name, or ID',
  checkpoint: 'Name of the checkpoint',
};

/** The daemon's own description (OpenAPI 3.1, whose schemas are JSON Schema as TypeBox makes it), from the routes it serves. */
export function openApiDocument(routes: readonly Route[], productVersion: string): object {
  const components = new SchemaComponents();
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) {
    const path = openApiPath(route);
    paths[path] ??= {};
    paths[path][route.method.toLowerCase()] = operation(route, components);
  }
  const tags = [...new Set(routes.map(tagOf))].sort();
  return {
    openapi: '3.1.0',
    info: {
      title: 'Gantry Engine API',
      version: API_VERSION,
      description:
        `The Docker Engine API as Gantry ${productVersion} serves it. Paths may be prefixed with a version from ` +
        `${MIN_API_VERSION} on, as in /v1.41/info; answers then have that version's form. What is described is ${API_VERSION}.`,
      license: { name: 'Apache 2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: `/v${API_VERSION}` }, { url: '/' }],
    tags: tags.map((name) => ({ name })),
    paths,
    components: { schemas: components.all() },
  };
}

/** '/images/:name*\/json' -> '/images/{name}/json' */
export function openApiPath(route: Route): string {
  return route.path.replace(/:(\w+)\*?/g, '{$1}');
}

function tagOf(route: Route): string {
  return route.path.split('/')[1]!;
}

function operation(route: Route, components: SchemaComponents): object {
  const names = [...route.path.matchAll(/:(\w+)\*?/g)].map(([, name]) => name!);
  const parameters = [
    ...names.map((name) => ({
      name,
      in: 'path',
      required: true,
      description: PATH_PARAMETERS[name],
      schema: { type: 'string' },
    })),
    ...Object.entries(route.query).map(([name, parameter]) => queryParameter(name, parameter)),
  ];
  const responses: Record<string, object> = {};
  for (const [status, answer] of Object.entries(route.answers)) responses[status] = success(answer, components);
  for (const status of [400, ...(route.refusals ?? []), 500]) responses[status] = refusal(status, components);
  return {
    operationId: route.operationId,
    tags: [tagOf(route)],
    summary: route.summary,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(route.body === null ? {} : { requestBody: requestBody(route.body, components) }),
    responses,
  };
}

function requestBody(schema: TSchema, components: SchemaComponents): object {
  return { content: { 'application/json': { schema: components.refer(schema) } } };
}

function success({ description, schema, types, headers }: Answer, components: SchemaComponents): object {
  const media = types ?? (schema === undefined ? [] : ['application/json']);
  return {
    description,
    ...(headers === undefined || Object.keys(headers).length === 0
      ? {}
      : {
          headers: Object.fromEntries(
            Object.entries(headers).map(([name, what]) => [name, { description: what, schema: { type: 'string' } }]),
          ),
        }),
    ...(media.length === 0
      ? {}
      : {
          content: Object.fromEntries(
            media.map((type) => [type, schema === undefined ? {} : { schema: components.refer(schema) }]),
          ),
        }),
  };
}

function refusal(status: number, components: SchemaComponents): object {
  return {
    description: REASONS[status] ?? 'The operation failed',
    content: { 'application/json': { schema: components.refer(ErrorResponse) } },
  };
}

function queryParameter(name: string, parameter: QueryParameter): object {
  const head = { name, in: 'query', description: parameter.description };
  switch (parameter.kind) {
    case 'flag':
      return { ...head, schema: { type: 'boolean', default: parameter.missing } };
    case 'number':
      return { ...head, schema: { type: 'integer' } };
    case 'text':
      return { ...head, schema: { type: 'string', ...choices(parameter), ...defaultOf(parameter.missing) } };
    case 'list':
      return { ...head, explode: true, schema: { type: 'array', items: { type: 'string', ...choices(parameter) } } };
    case 'filters':
      return { ...head, content: { 'application/json': { schema: filtersSchema(parameter.keys) } } };
  }
}

const choices = ({ choices: list }: { choices: readonly string[] | null }) => (list === null ? {} : { enum: list });

const defaultOf = (missing: string) => (missing === '' ? {} : { default: missing });

/** A list of values a key, or a set of them. */
function filtersSchema(keys: readonly string[]): object {
  const values = {
    anyOf: [
      { type: 'array', items: { type: 'string' } },
      { type: 'object', additionalProperties: { type: 'boolean' } },
    ],
  };
  return {
    type: 'object',
    properties: Object.fromEntries(keys.map((key) => [key, values])),
    additionalProperties: false,
  };
}
