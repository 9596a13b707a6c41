import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { Validator } from '@seriousme/openapi-schema-validator';
import { allRoutes, type RouteParts } from '../routes/all.ts';
import { openApiDocument, openApiPath } from './document.ts';
import { openApiRoutes } from './routes.ts';

/** One operation of the Engine API 1.50, as its specification has it. */
interface Specified {
  operationId: string;
  method: string;
  path: string;
  tag: string;
  query: Record<string, { type: string; default?: unknown }>;
  body: boolean;
  statuses: number[];
}

interface Described {
  operationId: string;
  parameters?: { name: string; in: string; schema?: { type: string; default?: unknown }; content?: object }[];
  requestBody?: object;
  responses: Record<string, { content?: Record<string, { schema?: object }> }>;
}

const specification: Specified[] = JSON.parse(readFileSync(new URL('engine-api-1.50.json', import.meta.url), 'utf8'));
// No operation touches the engine before a request comes.
const parts = { containers: {}, images: {}, system: {} } as RouteParts;
const routes = allRoutes(parts);
const document = openApiDocument([...routes, ...openApiRoutes(routes, '1.2.3')], '1.2.3') as {
  paths: Record<string, Record<string, Described>>;
  components: { schemas: Record<string, object> };
};

/** Served by this version; the rest answers that it is not supported, or not outside of a swarm. */
const served = ({ tag, operationId }: Specified): boolean =>
  ['Container', 'Exec', 'Image', 'System', 'Volume', 'Network'].includes(tag) && answersOf(operationId).length > 0;

const answersOf = (operationId: string): number[] =>
  Object.keys(routes.find((route) => route.operationId === operationId)?.answers ?? {}).map(Number);

const described = ({ method, path }: Specified): Described | undefined => document.paths[path]?.[method.toLowerCase()];

describe('the OpenAPI document', () => {
  test('is valid', async () => {
    const { valid, errors } = await new Validator().validate(JSON.parse(JSON.stringify(document)));
    assert.equal(valid, true, JSON.stringify(errors, null, 1));
  });

  test('names every schema it refers to', () => {
    for (const [, name = ''] of JSON.stringify(document).matchAll(/"#\/components\/schemas\/(\w+)"/g)) {
      assert.ok(document.components.schemas[name], name);
    }
    assert.ok(document.components.schemas.ContainerInspectResponse);
    assert.ok(document.components.schemas.HostConfig);
  });

  test('has every route', () => {
    for (const route of routes) {
      const operation = document.paths[openApiPath(route)]?.[route.method.toLowerCase()];
      assert.equal(operation?.operationId, route.operationId);
    }
    assert.equal(document.paths['/openapi.json']!.get!.operationId, 'OpenApi');
    const ids = routes.map(({ operationId }) => operationId);
    assert.deepEqual(
      ids.filter((id, at) => ids.indexOf(id) !== at),
      [],
      'operationIds are unique',
    );
  });

  test('has every operation of the Engine API 1.50, under its path and name', () => {
    assert.equal(specification.length, 107);
    for (const operation of specification) {
      assert.equal(described(operation)?.operationId, operation.operationId, `${operation.method} ${operation.path}`);
    }
  });

  test('has every query parameter that the Engine API 1.50 names, with its type and default', () => {
    let checked = 0;
    for (const operation of specification.filter(served)) {
      for (const [name, wanted] of Object.entries(operation.query)) {
        const where = `${operation.operationId} ${name}`;
        const found = described(operation)!.parameters?.find((each) => each.in === 'query' && each.name === name);
        assert.ok(found, where);
        checked++;
        if (name === 'filters') {
          assert.ok(found.content, where);
          continue;
        }
        const { type, default: missing } = found.schema!;
        const allowed = OTHER_TYPES[where] ?? [wanted.type];
        assert.ok(allowed.includes(type), `${where} is ${type}, not ${allowed}`);
        if (wanted.default !== undefined && !(where in OTHER_DEFAULTS)) {
          assert.equal(String(missing), String(wanted.default), where);
        }
      }
    }
    assert.ok(checked > 60, String(checked));
  });

  test('has a body where the Engine API 1.50 has one', () => {
    for (const operation of specification.filter(served)) {
      const isArchive = ['PutContainerArchive', 'ImageLoad', 'ImageCreate'].includes(operation.operationId);
      if (!isArchive)
        assert.equal(described(operation)!.requestBody !== undefined, operation.body, operation.operationId);
    }
  });

  test('has every status that the Engine API 1.50 names', () => {
    for (const operation of specification.filter(served)) {
      const statuses = Object.keys(described(operation)!.responses).map(Number);
      const missing = operation.statuses.filter((status) => !statuses.includes(status));
      assert.deepEqual(missing, OTHER_STATUSES[operation.operationId] ?? [], operation.operationId);
    }
  });

  test('has a schema for every JSON answer', () => {
    for (const [path, operations] of Object.entries(document.paths)) {
      for (const [method, { responses }] of Object.entries(operations)) {
        for (const [status, { content }] of Object.entries(responses)) {
          const json = content?.['application/json'];
          if (json !== undefined) assert.ok(json.schema, `${method} ${path} ${status}`);
        }
      }
    }
  });
});

/** Where the specification's type is not what clients send. */
const OTHER_TYPES: Record<string, string[]> = {
  // Times come with nanoseconds, as dates and as durations too.
  'ContainerLogs since': ['string'],
  'ContainerLogs until': ['string'],
  // Read as text for the message that names the side.
  'ContainerResize h': ['string'],
  'ContainerResize w': ['string'],
  'ExecResize h': ['string'],
  'ExecResize w': ['string'],
  // dockerd reads them as booleans.
  'PutContainerArchive noOverwriteDirNonDir': ['boolean'],
  'PutContainerArchive copyUIDGID': ['boolean'],
  // May be repeated.
  'ImageCommit changes': ['array'],
};

/** Where dockerd's default is another than the specification's. */
const OTHER_DEFAULTS: Record<string, string> = {
  'ImageLoad quiet': 'true in dockerd',
};

/** Statuses of the specification that cannot happen here. */
const OTHER_STATUSES: Record<string, number[]> = {
  // What answers over a websocket is the upgrade alone.
  ContainerAttachWebsocket: [200],
  // Of pulling.
  ImageCreate: [404],
};
