import { messageOf } from '../api/errors.ts';
import { defaults, loadConfig } from './config/daemon-config.ts';
import { parseFlags, UsageError, usage } from './config/parse-flags.ts';
import { Daemon } from './daemon.ts';
import { DaemonLog } from './logger.ts';
import { PRODUCT } from './product.ts';

/** gantryd: reads the command line, then starts the daemon or prints what was asked for. Returns an exit code when it is done at once. */
async function main(args: readonly string[]): Promise<number | null> {
  const flags = parseFlags(args);
  if (flags.get('help') === true) {
    process.stdout.write(usage(defaults()));
    return 0;
  }
  if (flags.get('version') === true) {
    process.stdout.write(`Gantry version ${PRODUCT.version}, build ${PRODUCT.gitCommit || 'unknown'}\n`);
    return 0;
  }
  const config = loadConfig(flags);
  if (flags.get('validate') === true) {
    // Where dockerd says it.
    process.stderr.write('configuration OK\n');
    return 0;
  }
  if (process.getuid?.() !== 0) throw new Error('gantryd needs to be started with root privileges');
  // Files of the daemon are for root alone unless they say otherwise.
  process.umask(0o022);
  const log = new DaemonLog({
    format: config.string('log-format') === 'json' ? 'json' : 'text',
    level: config.bool('debug') ? 'debug' : config.string('log-level'),
    colors: process.stderr.isTTY && !config.bool('raw-logs'),
  });
  log.info('Starting up', { version: PRODUCT.version });
  try {
    await new Daemon(flags, config, log).start();
  } catch (error) {
    throw new Error(`failed to start daemon: ${messageOf(error)}`, { cause: error });
  }
  return null;
}

try {
  const code = await main(process.argv.slice(2));
  if (code !== null) process.exitCode = code;
} catch (error) {
  process.stderr.write(
    error instanceof UsageError
      ? `gantryd: ${error.message}\nSee 'gantryd --help'.\n`
      : `gantryd: ${messageOf(error)}\n`,
  );
  process.exit(1);
}
