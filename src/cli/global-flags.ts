/** The flags that stand before the command. */

import { bool, list, string } from './flags/spec.ts';

export const GLOBAL_FLAGS = {
  config: string('', 'Location of client config files', '', { showDefault: '"~/.docker"' }),
  context: string(
    'c',
    'Name of the context to connect with (overrides GANTRY_HOST, DOCKER_HOST and the context set by "gantry context use")',
  ),
  debug: bool('D', 'Enable debug mode'),
  host: list('H', 'Address of the daemon to connect to'),
  'log-level': string('l', 'Logging level ("debug", "info", "warn", "error", "fatal")', 'info'),
  tls: bool('', 'Use TLS; implied by --tlsverify'),
  tlscacert: string('', 'Trust only certificates signed by this CA', '', { showDefault: '"~/.docker/ca.pem"' }),
  tlscert: string('', 'Path to the TLS certificate', '', { showDefault: '"~/.docker/cert.pem"' }),
  tlskey: string('', 'Path to the TLS key', '', { showDefault: '"~/.docker/key.pem"' }),
  tlsverify: bool('', 'Use TLS and verify the daemon'),
  version: bool('v', 'Print version information and quit'),
};
