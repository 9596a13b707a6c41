import { hostname } from 'node:os';
import type { EngineContext } from '../engine/context.ts';
import { OciRuntimeProgram } from '../runtime/oci-runtime.ts';
import { type DaemonConfig, loadConfig } from './config/daemon-config.ts';
import type { Values } from './config/options.ts';
import { reloadSettings } from './engine-settings.ts';
import type { DaemonLog } from './logger.ts';

/**
 * Reads the configuration file again and applies what may change in a running daemon. Returns the configuration now in force.
 * Throws Error, with everything as it was, when the file cannot be used.
 */
export function reload(flags: Values, current: DaemonConfig, context: EngineContext, log: DaemonLog): DaemonConfig {
  const config = current.reloaded(loadConfig(flags));
  reloadSettings(context.settings, config);
  log.setLevel(config.bool('debug') ? 'debug' : config.string('log-level'));
  const { settings, runtimes } = context;
  for (const [name, binary] of settings.runtimes) {
    const known = runtimes.get(name)?.binary;
    if (known?.path !== binary.path || known.args.join('\0') !== binary.args.join('\0')) {
      runtimes.set(name, new OciRuntimeProgram(binary));
    }
  }
  // Runtimes that left the configuration are kept: containers that run under them need them until they end.
  context.events.emit('daemon', 'reload', settings.engineId, {
    debug: String(settings.debug),
    'default-cgroupns-mode': settings.defaultCgroupnsMode,
    'default-ipc-mode': settings.defaultIpcMode,
    'default-runtime': settings.defaultRuntime,
    'default-shm-size': String(settings.defaultShmSize),
    features: `map[${Object.entries(config.features())
      .map(([name, on]) => `${name}:${on}`)
      .join(' ')}]`,
    'insecure-registries': JSON.stringify(settings.insecureRegistries),
    labels: JSON.stringify(settings.labels),
    'live-restore': 'true',
    'max-concurrent-downloads': String(config.number('max-concurrent-downloads')),
    'max-concurrent-uploads': String(config.number('max-concurrent-uploads')),
    'max-download-attempts': String(config.number('max-download-attempts')),
    name: hostname(),
    'registry-mirrors': JSON.stringify(settings.registryMirrors),
    runtimes: [...settings.runtimes.values()].map(({ name, path }) => `${name}:${path}`).join(' '),
    'shutdown-timeout': String(settings.shutdownTimeout),
  });
  log.info('Reloaded configuration');
  return config;
}
