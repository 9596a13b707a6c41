import type { Logger } from '../engine/context.ts';

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;
type Level = (typeof LEVELS)[number];

/** Of the escape sequence that colours a level's word. */
const COLORS: Record<Level, number> = { trace: 37, debug: 37, info: 36, warn: 33, error: 31, fatal: 31 };

/** The daemon's log on standard error, in the formats that dockerd has: logrus' text, in colours for a terminal, and JSON. */
export class DaemonLog implements Logger {
  #threshold = LEVELS.indexOf('info');
  readonly #json: boolean;
  readonly #colors: boolean;
  readonly #write: (line: string) => void;

  /** `colors`: text for a person's eyes, with the level's word in colour and the fields behind the message. */
  constructor(options: { format: 'text' | 'json'; level: string; colors?: boolean; write?: (line: string) => void }) {
    this.#json = options.format === 'json';
    this.#colors = options.colors === true;
    this.#write = options.write ?? ((line) => process.stderr.write(line));
    this.setLevel(options.level);
  }

  /** "panic" counts as fatal. */
  setLevel(level: string): void {
    this.#threshold = LEVELS.indexOf(level === 'panic' ? 'fatal' : (level as Level));
  }

  debug(message: string, fields?: Record<string, unknown>): void {
    this.#log('debug', message, fields);
  }

  info(message: string, fields?: Record<string, unknown>): void {
    this.#log('info', message, fields);
  }

  warn(message: string, fields?: Record<string, unknown>): void {
    this.#log('warn', message, fields);
  }

  error(message: string, fields?: Record<string, unknown>): void {
    this.#log('error', message, fields);
  }

  #log(level: Level, message: string, fields: Record<string, unknown> = {}): void {
    if (LEVELS.indexOf(level) < this.#threshold) return;
    const time = new Date().toISOString().replace('Z', '000000Z');
    // logrus writes "warning" where its flag says "warn".
    const shown = level === 'warn' ? 'warning' : level;
    if (this.#json) {
      const entry = Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, plain(value)]));
      this.#write(`${JSON.stringify({ ...entry, level: shown, msg: message, time })}\n`);
      return;
    }
    if (this.#colors) {
      const paint = (text: string) => `\x1b[${COLORS[level]}m${text}\x1b[0m`;
      const rest = Object.entries(fields).map(([key, value]) => ` ${paint(key)}=${quoteIfNeeded(plain(value))}`);
      this.#write(`${paint(shown.toUpperCase().slice(0, 4))}[${time}] ${message.padEnd(44)}${rest.join('')}\n`);
      return;
    }
    const rest = Object.entries(fields).map(([key, value]) => ` ${key}=${quoteIfNeeded(plain(value))}`);
    this.#write(`time="${time}" level=${shown} msg=${JSON.stringify(message)}${rest.join('')}\n`);
  }
}

function plain(value: unknown): unknown {
  if (value instanceof Error) return value.message;
  return typeof value === 'bigint' ? value.toString() : value;
}

function quoteIfNeeded(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value));
  return /^[\w./@^+:-]+$/.test(text) ? text : JSON.stringify(text);
}
