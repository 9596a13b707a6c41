import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Filters } from '../../api/filters.ts';
import { EventBus } from '../../engine/events.ts';
import { StateStore } from '../../engine/state-store.ts';
import { Volumes } from '../../engine/volumes/volumes.ts';
import type { ApiReply, ApiRequest } from '../contract.ts';
import { volumeRoutes } from './volumes.ts';

let dataRoot = '';
let store: StateStore;
let volumes: Volumes;

before(() => {
  dataRoot = mkdtempSync(join(tmpdir(), 'gantry-volume-routes-'));
  store = new StateStore(join(dataRoot, 'state.db'));
  volumes = new Volumes({ dataRoot, store, events: new EventBus() });
});
after(() => {
  store.close();
  rmSync(dataRoot, { recursive: true });
});

async function call(
  operation: string,
  request: { name?: string; body?: unknown; force?: boolean; old?: boolean } = {},
) {
  const route = volumeRoutes(volumes).find((each) => each.operationId === operation)!;
  let answer: { status: number; value?: unknown } | undefined;
  const reply = {
    json: (status: number, value: unknown) => {
      answer = { status, value };
    },
    empty: (status: number) => {
      answer = { status };
    },
  } as ApiReply;
  await route.handler(
    {
      params: { name: request.name ?? '' },
      body: request.body,
      query: { filters: new Filters(), force: request.force === true, 'dry-run': false, without: [] },
      version: { lessThan: () => request.old === true },
    } as unknown as ApiRequest<never, never>,
    reply,
  );
  return answer;
}

test('the six operations', async () => {
  const created = await call('VolumeCreate', { body: { Name: 'data' } });
  assert.equal(created!.status, 201);
  assert.deepEqual(await call('VolumeInspect', { name: 'data' }), { status: 200, value: created!.value });
  assert.deepEqual(await call('VolumeList'), { status: 200, value: { Volumes: [created!.value], Warnings: null } });
  await assert.rejects(call('VolumeUpdate', { name: 'data' }), { status: 503 });
  // Named volumes are pruned for clients from before 1.42 only.
  assert.deepEqual(await call('VolumePrune'), { status: 200, value: { VolumesDeleted: [], SpaceReclaimed: 0 } });
  const pruned = await call('VolumePrune', { old: true });
  assert.deepEqual(pruned, { status: 200, value: { VolumesDeleted: ['data'], SpaceReclaimed: 0 } });
  await assert.rejects(call('VolumeDelete', { name: 'data' }), { status: 404 });
  assert.deepEqual(await call('VolumeDelete', { name: 'data', force: true }), { status: 204 });
});
