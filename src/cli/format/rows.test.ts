import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatRows, type Listing } from './rows.ts';

const listing: Listing = {
  headers: { ID: 'CONTAINER ID', Names: 'NAMES', Status: 'STATUS' },
  table: 'table {{.ID}}\t{{.Status}}\t{{.Names}}',
  quiet: 'ID',
};
const rows = [
  { Names: 'web', ID: 'abc', Status: 'Up 5 minutes', Label: (key: unknown) => `<${key}>` },
  { Names: 'a-long-name', ID: 'def', Status: '', Label: () => '' },
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
  it('refuses an unknown field', () => {
    assert.throws(() => format('{{.Nope}}'), /no entry for key "Nope"/);
  });
});
