import { GantryError, notSupportedYet } from '../../api/errors.ts';
import type { HostConfig } from '../../api/schemas/host-config.ts';
import type { ContainerRecord } from '../container-record.ts';
import type { EngineSettings } from '../settings.ts';
import type { LogDriver } from './contract.ts';
import { DELIVERY_OPTIONS, validateDelivery } from './delivery.ts';
import { JsonFileDriver, LocalDriver, NoneDriver } from './file-drivers.ts';

type LogConfig = NonNullable<HostConfig['LogConfig']>;

/** Drivers of Docker that Gantry does not have yet. */
const LATER = ['syslog', 'journald', 'gelf', 'fluentd', 'awslogs', 'splunk', 'gcplogs', 'etwlogs', 'logentries'];

/** The log drivers by name, and the rules by which a container comes to its log config. */
export class LogDrivers {
  readonly #settings: EngineSettings;
  readonly #drivers: Map<string, LogDriver>;

  constructor(settings: EngineSettings) {
    this.#settings = settings;
    const drivers = [
      new JsonFileDriver(settings.dataRoot),
      new LocalDriver(settings.dataRoot),
      new NoneDriver(),
    ] satisfies LogDriver[];
    this.#drivers = new Map(drivers.map((driver) => [driver.name, driver]));
  }

  names(): string[] {
    return [...this.#drivers.keys()];
  }

  /** Throws not_supported for a driver that Docker has, invalid_parameter for one that nobody has. */
  get(name: string): LogDriver {
    const driver = this.#drivers.get(name);
    if (driver !== undefined) return driver;
    if (LATER.includes(name)) throw notSupportedYet(`logging driver "${name}"`);
    throw new GantryError('invalid_parameter', `error looking up logging plugin ${name}: plugin "${name}" not found`);
  }

  of(record: ContainerRecord): LogDriver {
    return this.get(record.hostConfig.LogConfig?.Type ?? this.#settings.logDriver);
  }

  /**
   * The log config of a new container: the asked one, or the daemon's default; the daemon's options fill in when the driver is
   * the daemon's. Throws for a driver or option that cannot be.
   */
  resolve(asked: LogConfig | undefined): { Type: NonNullable<LogConfig['Type']>; Config: Record<string, string> } {
    const type = asked?.Type ?? (this.#settings.logDriver as NonNullable<LogConfig['Type']>);
    const name = (type as string) === '' ? this.#settings.logDriver : type;
    const config =
      name === this.#settings.logDriver ? { ...this.#settings.logOpts, ...asked?.Config } : { ...asked?.Config };
    this.validate(name, config);
    return { Type: name as NonNullable<LogConfig['Type']>, Config: config };
  }

  /** Throws what the driver has against these options. Also for the daemon's own --log-driver and --log-opt. */
  validate(name: string, options: Record<string, string>): void {
    const driver = this.get(name);
    validateDelivery(options);
    driver.validateOptions(
      Object.fromEntries(Object.entries(options).filter(([key]) => !DELIVERY_OPTIONS.includes(key))),
    );
  }
}
