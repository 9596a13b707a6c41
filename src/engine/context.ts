import type { Networks } from '../network/contract.ts';
import type { Monitors, OciRuntime } from '../runtime/contract.ts';
import type { Storage } from '../storage/contract.ts';
import type { EventBus } from './events.ts';
import type { EngineSettings } from './settings.ts';
import type { StateStore } from './state-store.ts';

/** The daemon's log, structured: a message and fields. */
export interface Logger {
  debug(message: string, fields?: Record<string, unknown>): void;
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
}

/** What every part of the engine is given: the rooms below it, its state and its voice. */
export interface EngineContext {
  settings: EngineSettings;
  store: StateStore;
  events: EventBus;
  storage: Storage;
  networks: Networks;
  monitors: Monitors;
  /** By the name users know. */
  runtimes: Map<string, OciRuntime>;
  log: Logger;
}
