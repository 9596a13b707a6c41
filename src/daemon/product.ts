/** Put in by scripts/build.ts; absent when the sources run unbundled. */
declare const GANTRY_BUILD: { version: string; gitCommit: string; buildTime: string } | undefined;

/** What this build is, for /version, the Server header and --version. */
export const PRODUCT =
  typeof GANTRY_BUILD === 'undefined' ? { version: '0.0.0-dev', gitCommit: '', buildTime: '' } : GANTRY_BUILD;
