import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventLine, parseEvent } from './events.ts';

const TEXT =
  '{"Type":"volume","Action":"create","Actor":{"ID":"v1","Attributes":{"driver":"local","a":"b"}},"scope":"local","time":1795240245,"timeNano":1795240245142025724}';

test('the nanoseconds of an event are exact, in its line and as JSON', () => {
  const event = parseEvent(TEXT);
  assert.equal(JSON.stringify(event), TEXT);
  assert.match(eventLine(event), /:45\.142025724(Z|[+-]\d\d:\d\d) volume create v1 \(a=b, driver=local\)\n$/);
});

test('an event without nanoseconds has zeros', () => {
  assert.match(
    eventLine(parseEvent('{"Type":"a","Action":"b","Actor":{"ID":"c"},"time":1}')),
    /:01\.000000000(Z|[+-]\d\d:\d\d) a b c\n$/,
  );
});
