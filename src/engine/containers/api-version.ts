/** Minor number of an API version ("1.44" gives 44): what the engine's answers depend on. */
export function minorOf(version: string): number {
  return Number(version.split('.')[1] ?? 0);
}
