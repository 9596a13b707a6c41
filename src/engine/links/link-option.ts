import { posix } from 'node:path';
import { GantryError } from '../../api/errors.ts';

/** A link as a client asks for it: the container that is meant, and what it is called. */
export interface LinkOption {
  name: string;
  alias: string;
}

/** "name:alias", "name" alone, or "/name:/parent/alias" as inspect shows it. Throws invalid_parameter, worded as Docker's. */
export function parseLink(text: string): LinkOption {
  if (text === '') throw new GantryError('invalid_parameter', 'empty string specified for links');
  const [name = '', alias, ...more] = text.split(':');
  if (more.length > 0) throw new GantryError('invalid_parameter', `bad format for links: ${text}`);
  if (alias === undefined) return { name, alias: name };
  return name.startsWith('/') ? { name: name.slice(1), alias: posix.basename(alias) } : { name, alias };
}
