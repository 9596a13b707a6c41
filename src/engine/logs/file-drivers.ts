import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { GantryError } from '../../api/errors.ts';
import type { LogSink } from '../../runtime/contract.ts';
import type { ContainerRecord } from '../container-record.ts';
import { ATTRIBUTE_OPTIONS, logAttributes, validateAttributeOptions } from './attributes.ts';
import type { LogDriver, LogEntry, LogReadOptions } from './contract.ts';
import { bufferSize } from './delivery.ts';
import { jsonFileFormat } from './json-file-format.ts';
import { localFormat } from './local-format.ts';
import { readLog } from './log-reader.ts';

/**
 * Bounds of a log whose options name none: 5 files of 20 MB. Docker leaves json-file without bounds, and a chatty container
 * then fills the disk; max-size=-1 gives that back.
 */
const DEFAULT_MAX_SIZE = 20 * 1024 * 1024;
const DEFAULT_MAX_FILES = 5;

/** Docker's json-file driver: <data-root>/containers/<id>/<id>-json.log and its rotated files. */
export class JsonFileDriver implements LogDriver {
  readonly name = 'json-file';
  readonly #dataRoot: string;

  constructor(dataRoot: string) {
    this.#dataRoot = dataRoot;
  }

  validateOptions(options: Record<string, string>): void {
    for (const key of Object.keys(options)) {
      if (!['max-size', 'max-file', 'compress', ...ATTRIBUTE_OPTIONS].includes(key)) {
        throw new GantryError('invalid_parameter', `unknown log opt '${key}' for json-file log driver`);
      }
    }
    rotation(options, false);
    validateAttributeOptions(options);
  }

  sinkFor(record: ContainerRecord): LogSink {
    const options = record.hostConfig.LogConfig?.Config ?? {};
    const attributes = logAttributes(record, options);
    const path = this.logPath(record);
    mkdirSync(dirname(path), { recursive: true, mode: 0o710 });
    return {
      format: 'json-file',
      path,
      ...rotation(options, false),
      buffer: bufferSize(options),
      attrs: Object.keys(attributes).length === 0 ? null : JSON.stringify(attributes),
    };
  }

  logPath(record: ContainerRecord): string {
    return join(this.#dataRoot, 'containers', record.id, `${record.id}-json.log`);
  }

  read(record: ContainerRecord, options: LogReadOptions): AsyncIterable<LogEntry[]> {
    return readLog(this.logPath(record), jsonFileFormat, options);
  }
}

/** Docker's local driver: <data-root>/containers/<id>/local-logs/container.log. */
export class LocalDriver implements LogDriver {
  readonly name = 'local';
  readonly #dataRoot: string;

  constructor(dataRoot: string) {
    this.#dataRoot = dataRoot;
  }

  validateOptions(options: Record<string, string>): void {
    for (const key of Object.keys(options)) {
      if (!['max-size', 'max-file', 'compress'].includes(key)) {
        throw new GantryError('invalid_parameter', `unknown log opt '${key}' for log driver local`);
      }
    }
    rotation(options, true);
  }

  sinkFor(record: ContainerRecord): LogSink {
    const path = this.#path(record);
    mkdirSync(dirname(path), { recursive: true, mode: 0o710 });
    const options = record.hostConfig.LogConfig?.Config ?? {};
    return { format: 'local', path, ...rotation(options, true), buffer: bufferSize(options), attrs: null };
  }

  /** Docker shows none: the file is not meant for others to read. */
  logPath(): string {
    return '';
  }

  read(record: ContainerRecord, options: LogReadOptions): AsyncIterable<LogEntry[]> {
    return readLog(this.#path(record), localFormat, options);
  }

  #path(record: ContainerRecord): string {
    return join(this.#dataRoot, 'containers', record.id, 'local-logs', 'container.log');
  }
}

/** Keeps nothing. */
export class NoneDriver implements LogDriver {
  readonly name = 'none';

  validateOptions(): void {}

  sinkFor(): null {
    return null;
  }

  logPath(): string {
    return '';
  }

  read(): AsyncIterable<LogEntry[]> {
    throw new GantryError('not_supported', 'configured logging driver does not support reading');
  }
}

/** Reads max-size, max-file and compress. Throws invalid_parameter. */
function rotation(
  options: Record<string, string>,
  compressDefault: boolean,
): { maxSize: number; maxFiles: number; compress: boolean } {
  const maxSize = options['max-size'] === undefined ? DEFAULT_MAX_SIZE : parseSize(options['max-size']);
  const maxFiles = options['max-file'] === undefined ? DEFAULT_MAX_FILES : Number(options['max-file']);
  if (!Number.isInteger(maxFiles) || options['max-file'] === '') {
    throw new GantryError('invalid_parameter', `invalid value for max-file: "${options['max-file']}"`);
  }
  if (maxFiles < 1) throw new GantryError('invalid_parameter', 'max-file cannot be less than 1');
  const compress = parseBool(options.compress, compressDefault);
  if (options.compress !== undefined && compress && (maxFiles < 2 || maxSize < 0)) {
    throw new GantryError(
      'invalid_parameter',
      'compress cannot be true when max-file is less than 2 or max-size is not set',
    );
  }
  return { maxSize, maxFiles, compress: compress && maxFiles > 1 };
}

/** Bytes of "10m", "1.5gb", "512": decimal units, as Docker reads them; -1 for no bound. */
function parseSize(text: string): number {
  if (text === '-1') return -1;
  const match = /^(\d+(?:\.\d+)?) ?([kmgtp]?)b?$/i.exec(text);
  if (match === null) throw new GantryError('invalid_parameter', `invalid size: '${text}'`);
  const size = Math.floor(Number(match[1]) * 1000 ** ' kmgtp'.indexOf(match[2]!.toLowerCase() || ' '));
  if (size <= 0) throw new GantryError('invalid_parameter', 'max-size must be a positive number');
  return size;
}

function parseBool(text: string | undefined, missing: boolean): boolean {
  if (text === undefined) return missing;
  if (['1', 't', 'T', 'TRUE', 'true', 'True'].includes(text)) return true;
  if (['0', 'f', 'F', 'FALSE', 'false', 'False'].includes(text)) return false;
  throw new GantryError('invalid_parameter', `strconv.ParseBool: parsing "${text}": invalid syntax`);
}
