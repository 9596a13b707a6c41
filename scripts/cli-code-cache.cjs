// Compiles the CLI's bundle ahead: runs it once (the arguments are its command line) and keeps what V8 compiled meanwhile, the functions
// of the hot path among it. bin/gantry's start.cjs hands it back to V8. Called by build-cli.ts.
const { readFileSync, writeFileSync } = require('node:fs');
const { Script } = require('node:vm');
const { createRequire } = require('node:module');

const [bundle, cache] = process.argv.splice(2, 2);
const script = new Script(readFileSync(bundle, 'latin1'), { filename: bundle });
process.on('exit', () => writeFileSync(cache, script.createCachedData()));
script.runInThisContext()(createRequire(bundle));
