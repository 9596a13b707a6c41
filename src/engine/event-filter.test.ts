import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Filters } from '../api/filters.ts';
import { eventMatches } from './event-filter.ts';

const event = {
  Type: 'container' as const,
  Action: 'exec_start: sh -c true',
  Actor: { ID: 'abcdef', Attributes: { name: 'web', image: 'busybox:latest', tier: 'front' } },
  scope: 'local' as const,
};

it('filters events as docker does', () => {
  const yes = [
    {},
    { event: ['exec_start'] },
    { container: ['web'] },
    { container: ['abc'] },
    { container: ['we'] },
    { container: [''] },
    { image: ['busybox'] },
    { image: ['busybox:latest'] },
    { label: ['tier=front'] },
    { type: ['image', 'container'] },
    { scope: ['local'] },
  ];
  const no = [
    { event: ['start'] },
    { container: ['eb'] },
    { image: ['busy'] },
    { label: ['tier=back'] },
    { type: ['image'] },
    { network: ['web'] },
    { container: ['web'], event: ['die'] },
    { scope: ['swarm'] },
  ];
  for (const filters of yes)
    assert.equal(eventMatches(event, new Filters(filters as never)), true, JSON.stringify(filters));
  for (const filters of no)
    assert.equal(eventMatches(event, new Filters(filters as never)), false, JSON.stringify(filters));
});
