/** The program's name and version, as they stand in help and messages. */
export const PROGRAM = 'gantry';
export { VERSION } from '../api/version.ts';
