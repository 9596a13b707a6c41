/** What this room needs of the daemon's log. */
export interface NetworkLog {
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
}
