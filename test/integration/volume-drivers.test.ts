/** What every volume driver does (src/engine/volumes/contract.ts): the local one, and that of a plugin in a process of its own. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { VolumeDriver } from '../../src/engine/volumes/contract.ts';
import { LocalDriver } from '../../src/engine/volumes/local-driver.ts';
import { PluginDriver } from '../../src/engine/volumes/plugin-driver.ts';
import { Plugins } from '../../src/plugins/plugins.ts';
import { type RunningPlugin, startVolumePlugin } from '../support/start-volume-plugin.ts';

interface Given {
  driver: VolumeDriver;
  end(): Promise<void>;
}

const makers: Record<string, (directory: string) => Promise<Given>> = {
  async local(directory) {
    return { driver: new LocalDriver(join(directory, 'volumes'), () => null), async end() {} };
  },
  async plugin(directory) {
    const sockets = join(directory, 'sockets');
    mkdirSync(sockets);
    const plugin = await startVolumePlugin(join(sockets, 'given.sock'), join(directory, 'volumes'));
    const plugins = new Plugins({ paths: { sockets, specs: [] }, retryMs: 0 });
    return { driver: new PluginDriver('given', plugins), end: () => plugin.stop() };
  },
};

for (const [kind, make] of Object.entries(makers)) {
  describe(`volume driver: ${kind}`, () => {
    const directory = mkdtempSync(join(tmpdir(), 'gantry-drivers-'));
    let given: Given;
    before(async () => {
      given = await make(directory);
    });
    after(async () => {
      await given.end();
      rmSync(directory, { recursive: true });
    });

    test('create, get, list', async () => {
      const { driver } = given;
      assert.equal(await driver.get('one'), null);
      await driver.create('one', {});
      await driver.create('two', {});
      assert.deepEqual((await driver.list()).map(({ name }) => name).sort(), ['one', 'two']);
      assert.ok((await driver.get('one'))!.mountpoint.startsWith('/'));
      assert.ok(['local', 'global'].includes(await driver.scope()));
    });

    test('content is there for every user until the last has let go, and for the next', async () => {
      const { driver } = given;
      const path = await driver.mount('one', 'first');
      assert.equal(await driver.mount('one', 'second'), path);
      writeFileSync(join(path, 'file'), 'content');
      await driver.unmount('one', 'first');
      assert.equal(readFileSync(join(path, 'file'), 'utf8'), 'content');
      await driver.unmount('one', 'second');
      assert.equal(readFileSync(join(await driver.mount('one', 'third'), 'file'), 'utf8'), 'content');
      await driver.unmount('one', 'third');
    });

    test('creating a volume that is there changes nothing', async () => {
      const { driver } = given;
      await driver.create('one', {});
      assert.deepEqual(readdirSync(await driver.mount('one', 'user')), ['file']);
      await driver.unmount('one', 'user');
    });

    test('what is removed is gone, the others stay', async () => {
      const { driver } = given;
      await driver.remove('one');
      assert.equal(await driver.get('one'), null);
      assert.deepEqual(
        (await driver.list()).map(({ name }) => name),
        ['two'],
      );
    });

    test('refused options leave nothing', async () => {
      const { driver } = given;
      await assert.rejects(driver.create('bad', { fail: 'Create' }));
      assert.equal(await driver.get('bad'), null);
    });
  });
}

describe('a plugin that is away', () => {
  test('is an error now, and found again where it listens next', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'gantry-drivers-'));
    const [sockets, specs] = [join(directory, 'sockets'), join(directory, 'specs')];
    mkdirSync(sockets);
    mkdirSync(specs);
    const plugins = new Plugins({ paths: { sockets, specs: [specs] }, retryMs: 0 });
    const driver = new PluginDriver('given', plugins);
    await assert.rejects(driver.create('one', {}), { code: 'not_found', message: 'plugin "given" not found' });
    let plugin: RunningPlugin = await startVolumePlugin(join(sockets, 'given.sock'), join(directory, 'volumes'));
    await driver.create('one', {});
    await plugin.stop();
    await assert.rejects(driver.mount('one', 'user'), { code: 'system' });
    // This time it says where it is in a file.
    const elsewhere = join(directory, 'elsewhere.sock');
    writeFileSync(join(specs, 'given.json'), JSON.stringify({ Name: 'given', Addr: `unix://${elsewhere}` }));
    await assert.rejects(driver.mount('one', 'user'), /VolumeDriver|Plugin.Activate: the plugin does not answer/);
    plugin = await startVolumePlugin(elsewhere, join(directory, 'volumes'));
    assert.equal(await driver.mount('one', 'user'), join(directory, 'volumes/one'));
    assert.deepEqual(plugin.calls(), ['Create one', 'Mount one user']);
    await plugin.stop();
    rmSync(directory, { recursive: true });
  });
});
