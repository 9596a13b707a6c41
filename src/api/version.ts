/** Version of this Gantry; package.json says the same, a test compares. */
export const VERSION = '0.1.0';
/** Newest and oldest Engine API that the daemon speaks. */
export const API_VERSION = '1.50';
export const MIN_API_VERSION = '1.24';
