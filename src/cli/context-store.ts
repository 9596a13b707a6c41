/**
 * Contexts as docker's clients keep them: <config>/contexts/meta/<sha256 of the name>/meta.json and, for TLS,
 * <config>/contexts/tls/<sha256>/docker/{ca,cert,key}.pem.
 */

import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';

export interface ContextMeta {
  Name: string;
  Metadata: { Description?: string; [key: string]: unknown };
  Endpoints: { docker?: { Host?: string; SkipTLSVerify?: boolean } };
}

export function contextDirectories(configDir: string, name: string): { meta: string; tls: string } {
  const id = createHash('sha256').update(name).digest('hex');
  return { meta: `${configDir}/contexts/meta/${id}`, tls: `${configDir}/contexts/tls/${id}` };
}

/** Reads a context's description. Throws docker's `context "x": context not found: ...`. */
export function readContext(configDir: string, name: string): ContextMeta {
  const path = `${contextDirectories(configDir, name).meta}/meta.json`;
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new Error(`context "${name}": context not found: open ${path}: no such file or directory`, { cause: error });
  }
  return JSON.parse(text) as ContextMeta;
}

/** All that are stored; half a context is none. */
export function listContexts(configDir: string): ContextMeta[] {
  const directory = `${configDir}/contexts/meta`;
  const ids = existsSync(directory) ? readdirSync(directory) : [];
  return ids.flatMap((id) => {
    try {
      return [JSON.parse(readFileSync(`${directory}/${id}/meta.json`, 'utf8')) as ContextMeta];
    } catch {
      return [];
    }
  });
}
