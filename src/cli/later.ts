/**
 * Commands that docker's users know and that this version does not have: said by name, so that nobody looks for a typing error.
 * A name stands for all that is under it.
 */
const LATER: ReadonlySet<string> = new Set([
  'build',
  'builder',
  'buildx',
  'checkpoint',
  'compose',
  'config',
  'image build',
  'image push',
  'login',
  'logout',
  'manifest',
  'node',
  'plugin',
  'push',
  'search',
  'secret',
  'service',
  'stack',
  'swarm',
  'trust',
  'volume update',
]);

/** The name under which the words are known, or undefined. */
export function laterCommand(words: readonly string[]): string | undefined {
  return [words.slice(0, 2).join(' '), words[0] ?? ''].find((name) => LATER.has(name));
}
