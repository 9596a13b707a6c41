import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatRows, type Listing } from './rows.ts';

const listing: Listing = {
  headers: { ID: 'CONTAINER ID', Names: 'NAMES', Status: 'STATUS' },
  table: 'table {{.ID}}\t{{.Status}}\t{{.Names}}',
  quiet: 'ID',
  type: '*test.context',
  raw: { lines: 'id: {{.ID}}\n', quiet: '{{.ID}}' },
};
const rows = [
  { Names: 'web', ID: 'abc', Status: 'Up 5 minutes', Label: (key: unknown) => `<${key}>` },
  { Names: 'a-long-name', ID: 'def', Status: '', Label: (_key: unknown) => '' },
];
const format = (text: string, quiet = false): string => formatRows(listing, rows, { format: text, quiet });

describe('listing rows', () => {
  it('aligns the default table', () => {
    assert.equal(
      format(''),
      'CONTAINER ID   STATUS         NAMES\nabc            Up 5 minutes   web\ndef                           a-long-name\n',
    );
  });
  it('keeps a column at least ten wide', () => {
    assert.equal(format('table {{.Names}}\\t{{.ID}}').split('\n')[1], 'web           abc');
    assert.equal(
      formatRows({ ...listing, headers: { ID: 'I', Names: 'N' } }, [], {
        format: 'table {{.ID}}\t{{.Names}}',
        quiet: false,
      }),
      'I         N\n',
    );
  });
  it('prints quiet, json and templates', () => {
    assert.equal(format('', true), 'abc\ndef\n');
    assert.equal(format('json').split('\n')[0], '{"ID":"abc","Names":"web","Status":"Up 5 minutes"}');
    assert.equal(format('{{.ID}}:{{.Label "x"}}'), 'abc:<x>\ndef:\n');
    assert.equal(format('table {{.Label "com.example.my-key"}}').split('\n')[0], 'my key');
  });
  it('has a format named raw, by lines and by what --quiet leaves', () => {
    assert.equal(format('raw'), 'id: abc\n\nid: def\n\n');
    assert.equal(format('raw', true), 'abc\ndef\n');
  });
  it('escapes the JSON of a whole row for HTML, as docker does', () => {
    const row = { ID: '<a&b>' };
    assert.equal(
      formatRows(listing, [row], { format: '{{ json . }}', quiet: false }),
      '{"ID":"\\u003ca\\u0026b\\u003e"}\n',
    );
    assert.equal(formatRows(listing, [row], { format: '{{json .ID}}', quiet: false }), '"<a&b>"\n');
  });
  it('leaves titles as they are where functions change the values', () => {
    assert.equal(
      format('table {{lower .ID}}\t{{truncate .Names 2}}\t{{json .ID}}').split('\n')[0],
      'CONTAINER ID   NAMES     CONTAINER ID',
    );
    assert.equal(format('table {{range split .Names "e"}}{{.}}{{end}}').split('\n')[0], '');
  });
  it('refuses an unknown field', () => {
    assert.throws(
      () => format('{{.Nope}}'),
      /template parsing error: .*can't evaluate field Nope in type \*test\.context/,
    );
  });
});
