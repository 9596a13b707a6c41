/**
 * Bundles what gets installed: dist/gantryd.js, dist/layer-worker.js and the CLI (see build-cli.ts). Packages with native parts
 * stay outside. Run by scripts/setup; `node scripts/build.ts`.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type BuildOptions, build, type Plugin } from 'esbuild';
import { buildCli } from './build-cli.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
process.chdir(root);

/** Native addons find their files by their own place in node_modules. */
const EXTERNAL = ['koffi'];

const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };

function gitCommit(): string {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { stdio: ['ignore', 'pipe', 'ignore'] })
      .toString()
      .trim();
  } catch {
    // A source archive has no history.
    return '';
  }
}

/**
 * Node's own modules by way of CommonJS. An ES import reads every export once, also those that load on use: `import 'node:http'`
 * brings in undici for http.WebSocket, which costs 16 MB resident and 15 ms.
 */
const lazyBuiltins: Plugin = {
  name: 'lazy-builtins',
  setup({ onResolve, onLoad }) {
    const namespace = 'node-builtin';
    onResolve({ filter: /^node:/ }, ({ path, kind }) =>
      kind === 'import-statement' ? { path, namespace } : undefined,
    );
    onLoad({ filter: /./, namespace }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule(${JSON.stringify(path)})`,
    }));
  },
};

const common: BuildOptions = {
  bundle: true,
  platform: 'node',
  target: 'node26',
  format: 'esm',
  // One file an entry: a daemon that runs while a newer build replaces dist/ must not miss a chunk later.
  outdir: 'dist',
  minify: true,
  // Names show up in stack traces, and in errors that name their class.
  keepNames: true,
  sourcemap: false,
  external: EXTERNAL,
  legalComments: 'none',
  plugins: [lazyBuiltins],
  logLevel: 'warning',
  define: { GANTRY_BUILD: JSON.stringify({ version, gitCommit: gitCommit(), buildTime: new Date().toISOString() }) },
  // Packages written as CommonJS call require for Node's own modules.
  banner: { js: "import { createRequire as $require } from 'node:module'; const require = $require(import.meta.url);" },
};

const entryPoints = { gantryd: 'src/daemon/main.ts', 'layer-worker': 'src/storage/layer-worker.ts' };

await build({ ...common, entryPoints });
await buildCli();
