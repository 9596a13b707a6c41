/**
 * A volume plugin as a process of its own: `node volume-plugin.ts SOCKET DIRECTORY`. Its volumes are directories in DIRECTORY that are
 * called by their name, and it notes every call in DIRECTORY/.calls. A volume with the option fail=METHOD refuses that call.
 */
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';

const [socket = '', root = ''] = process.argv.slice(2);
const place = (name: string) => join(root, name);
const optionsOf = (name: string) => JSON.parse(readFileSync(join(root, `.${name}.json`), 'utf8')) as { fail?: string };

interface Call {
  Name: string;
  ID: string;
  Opts: Record<string, string> | null;
}

const methods: Record<string, (call: Call) => object> = {
  'Plugin.Activate': () => ({ Implements: ['VolumeDriver'] }),
  'VolumeDriver.Capabilities': () => ({ Capabilities: { Scope: 'global' } }),
  'VolumeDriver.Create': ({ Name, Opts }) => {
    if (Opts?.fail === 'Create') return { Err: 'told to fail' };
    mkdirSync(place(Name));
    writeFileSync(join(root, `.${Name}.json`), JSON.stringify(Opts ?? {}));
    return {};
  },
  'VolumeDriver.Get': ({ Name }) =>
    existsSync(place(Name))
      ? { Volume: { Name, Mountpoint: place(Name), Status: { Options: optionsOf(Name) } } }
      : { Err: `no volume ${Name}` },
  'VolumeDriver.List': () => ({
    Volumes: readdirSync(root)
      .filter((name) => !name.startsWith('.'))
      .map((Name) => ({ Name, Mountpoint: place(Name) })),
  }),
  'VolumeDriver.Mount': ({ Name }) =>
    optionsOf(Name).fail === 'Mount' ? { Err: 'told to fail' } : { Mountpoint: place(Name) },
  'VolumeDriver.Unmount': () => ({}),
  'VolumeDriver.Remove': ({ Name }) => {
    rmSync(place(Name), { recursive: true });
    rmSync(join(root, `.${Name}.json`));
    return {};
  },
};

const server = createServer(async (request, response) => {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  const text = Buffer.concat(parts).toString();
  const method = (request.url ?? '').slice(1);
  const call = (text === '' ? {} : JSON.parse(text)) as Call;
  const short = method.replace('VolumeDriver.', '');
  if (['Create', 'Mount', 'Unmount', 'Remove'].includes(short)) {
    appendFileSync(join(root, '.calls'), `${[short, call.Name, call.ID].filter(Boolean).join(' ')}\n`);
  }
  const answer = methods[method]?.(call);
  response.writeHead(answer === undefined ? 404 : 200, { 'Content-Type': 'application/vnd.docker.plugins.v1+json' });
  response.end(JSON.stringify(answer ?? { Err: 'unknown method' }));
});
rmSync(socket, { force: true });
server.listen(socket, () => process.stdout.write('ready\n'));
