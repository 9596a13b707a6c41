import { GantryError } from '../../api/errors.ts';
import type { Route } from '../contract.ts';

export interface Match {
  route: Route;
  params: Record<string, string>;
}

interface Pattern {
  route: Route;
  segments: string[];
  /** Index of the ':name*' segment, or -1. */
  greedy: number;
}

/**
 * Finds the route of a method and path. Literal paths win over patterns, patterns without a name that may hold slashes over those with one,
 * earlier patterns over later ones.
 */
export class Router {
  readonly #literal = new Map<string, Route>();
  /** By method and first segment, which every pattern has as a literal. */
  readonly #patterns = new Map<string, Pattern[]>();

  constructor(routes: readonly Route[]) {
    for (const route of routes) {
      const segments = route.path.split('/').slice(1);
      if (!route.path.includes(':')) {
        this.#literal.set(`${route.method} ${route.path}`, route);
        continue;
      }
      const key = `${route.method} ${segments[0]}`;
      const list = this.#patterns.get(key) ?? [];
      list.push({ route, segments, greedy: segments.findIndex((segment) => segment.endsWith('*')) });
      this.#patterns.set(key, list);
    }
    for (const list of this.#patterns.values()) list.sort((a, b) => Number(a.greedy >= 0) - Number(b.greedy >= 0));
  }

  /** null when nothing matches. `path`: still percent-encoded, without query. Throws invalid_parameter for a bad escape. */
  find(method: string, path: string): Match | null {
    // Clients that put a name with its leading slash into a path send two slashes in a row.
    const clean = path.includes('//') ? path.replace(/\/{2,}/g, '/') : path;
    const literal = this.#literal.get(`${method} ${clean}`);
    if (literal !== undefined) return { route: literal, params: {} };
    const segments = clean.split('/').slice(1);
    for (const pattern of this.#patterns.get(`${method} ${segments[0] ?? ''}`) ?? []) {
      const params = matchSegments(pattern, segments);
      if (params !== null) return { route: pattern.route, params };
    }
    return null;
  }
}

function matchSegments({ segments: wanted, greedy }: Pattern, given: string[]): Record<string, string> | null {
  if (greedy < 0 ? given.length !== wanted.length : given.length < wanted.length) return null;
  const params: Record<string, string> = {};
  const extra = given.length - wanted.length;
  for (let at = 0, from = 0; at < wanted.length; at++) {
    const segment = wanted[at]!;
    const to = from + (at === greedy ? extra : 0) + 1;
    if (!segment.startsWith(':')) {
      if (segment !== given[from]) return null;
    } else {
      const name = at === greedy ? segment.slice(1, -1) : segment.slice(1);
      const value = given.slice(from, to).join('/');
      // A missing image name has its own message (ImageDelete); a slash at the end of anything else is another path.
      if (value === '' && at !== greedy) return null;
      params[name] = decode(value);
    }
    from = to;
  }
  return params;
}

function decode(text: string): string {
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw new GantryError('invalid_parameter', `invalid URL escape in "${text}"`, { cause });
  }
}
