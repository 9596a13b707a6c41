// Hands the bundled CLI to V8 together with what it compiled at build time (scripts/build-cli.ts). Another version of Node than the one that
// made the cache refuses it and compiles anew: slower by a few milliseconds, otherwise the same.
const { readFileSync } = require('node:fs');
const { Script } = require('node:vm');

const filename = `${__dirname}/gantry.js`;
let cachedData;
try {
  cachedData = readFileSync(`${__dirname}/gantry.cache`);
} catch {}
new Script(readFileSync(filename, 'latin1'), { filename, cachedData }).runInThisContext()(require);
