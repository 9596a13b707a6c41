// A daemon for tests that kill it: the container API alone, in a process of its own. Arguments: root directory, bridge name.
import { openEngine } from './containers-harness.ts';

const [root, bridgeName] = process.argv.slice(2);
const engine = await openEngine(root!, bridgeName!);
process.on('SIGTERM', () => void engine.destroy().then(() => process.exit(0)));
process.stdout.write('ready\n');
