import { GantryError } from '../../api/errors.ts';
import { familiarName, familiarString, parseReference } from './reference.ts';

/**
 * Whether a full reference matches a pattern of the `reference` filter: shell wildcards that do not cross "/", against the
 * familiar form with its tag, or without. Throws invalid_parameter for a damaged pattern.
 */
export function matchesReference(pattern: string, reference: string): boolean {
  const parsed = parseReference(reference);
  const expression = wildcard(pattern);
  return expression.test(familiarString(parsed)) || expression.test(familiarName(parsed));
}

/** Go's path.Match as a regular expression. */
function wildcard(pattern: string): RegExp {
  let source = '';
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern[at]!;
    if (char === '*') source += '[^/]*';
    else if (char === '?') source += '[^/]';
    else if (char === '\\') {
      at++;
      if (at >= pattern.length) throw damaged();
      source += literal(pattern[at]!);
    } else if (char === '[') {
      const end = pattern.indexOf(']', at + 2);
      if (end < 0) throw damaged();
      const negated = pattern[at + 1] === '^';
      const body = pattern.slice(at + (negated ? 2 : 1), end).replace(/[[\]^]/g, '\\$&');
      if (body === '') throw damaged();
      source += `[${negated ? '^' : ''}${body}]`;
      at = end;
    } else source += literal(char);
  }
  try {
    return new RegExp(`^${source}$`, 's');
  } catch (cause) {
    throw new GantryError('invalid_parameter', 'syntax error in pattern', { cause });
  }
}

function literal(char: string): string {
  return char.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
}

function damaged(): GantryError {
  return new GantryError('invalid_parameter', 'syntax error in pattern');
}
