/** That no option is accepted and then forgotten. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { parseConfig } from './config-file.ts';
import { defaults } from './daemon-config.ts';
import { keyOf, NOT_YET, OPTIONS } from './options.ts';
import { parseFlags } from './parse-flags.ts';

/** Whose one value is how things are anyway: another one is refused by validate.ts. */
const ONE_VALUE = new Set(['exec-opts', 'firewall-backend', 'live-restore', 'storage-driver', 'userland-proxy-path']);
/** What waits for registries: checked, reloaded and told of, as the README says. */
const FOR_REGISTRIES = new Set(['max-concurrent-downloads', 'max-concurrent-uploads', 'max-download-attempts']);
/** Of the command line alone, read as flags. */
const FLAGS_ALONE = new Set(['config-file', 'validate', 'version', 'help']);

const root = join(import.meta.dirname, '..');
const sources = new Map(
  globSync('**/*.ts', { cwd: root })
    .filter((path) => !path.endsWith('.test.ts') && path !== 'config/options.ts')
    .map((path) => [path, readFileSync(join(root, path), 'utf8')]),
);
const METHODS = 'bool|string|number|list|map|given';
/** Options that have a method of their own. */
const ACCESSORS: Record<string, string> = {
  features: 'features',
  'default-ulimits': 'ulimits',
  runtimes: 'runtimes',
  'default-address-pools': 'pools',
};

describe('every option', () => {
  for (const spec of OPTIONS) {
    const key = keyOf(spec);
    test(`--${spec.flag} is read by what acts on it`, () => {
      const pattern = FLAGS_ALONE.has(key)
        ? new RegExp(`flags\\.(get|has)\\('${key}'\\)`)
        : key in ACCESSORS
          ? new RegExp(`config\\.${ACCESSORS[key]}\\(\\)`)
          : new RegExp(`(config|#config)\\.(${METHODS})\\('${key}'\\)`);
      const readers = [...sources].filter(([, text]) => pattern.test(text)).map(([path]) => path);
      const acts = readers.filter((path) => path !== 'config/validate.ts');
      if (ONE_VALUE.has(key)) {
        assert.ok(sources.get('config/validate.ts')!.includes(`'${key}'`));
      } else if (FOR_REGISTRIES.has(key)) assert.deepEqual(acts, ['reload.ts']);
      else assert.ok(acts.length > 0, `nothing reads ${key}`);
    });

    test(`--${spec.flag} has a default, unless it is of the command line alone`, () => {
      if (!FLAGS_ALONE.has(key)) assert.ok(defaults().has(key));
    });
  }

  test('has one meaning', () => {
    const names = [...OPTIONS, ...NOT_YET].map((spec) => spec.flag);
    assert.equal(new Set(names).size, names.length);
    const keys = [...OPTIONS, ...NOT_YET].map(keyOf);
    assert.equal(new Set(keys).size, keys.length);
  });
});

describe('what dockerd has and this version has not', () => {
  const values: Record<string, [flag: string, file: unknown]> = {
    bool: ['true', true],
    int: ['1', 1],
    string: ['x', 'x'],
    list: ['x', ['x']],
    map: ['a=b', { a: 'b' }],
  };
  for (const spec of NOT_YET) {
    test(`${spec.flag} is refused, as flag and as key`, () => {
      const [flag, file] = values[spec.kind]!;
      assert.throws(() => parseFlags([`--${spec.flag}=${flag}`]), /is not supported yet$/);
      const text = JSON.stringify({ [keyOf(spec)]: file });
      assert.throws(() => parseConfig(text, new Map()), /is not supported yet$/);
    });
  }
});
