/** Words of a Dockerfile line: split at blanks outside of quotes, expanded with $VARIABLES (Dockerfile reference). */
import { GantryError } from '../../api/errors.ts';

/** Splits at blanks; quotes and backslashes stay in the words, for expandWord to take away. */
export function splitWords(text: string): string[] {
  const words: string[] = [];
  let word = '';
  let quote = '';
  for (let at = 0; at < text.length; at++) {
    const char = text[at]!;
    if (char === '\\' && quote !== "'" && at + 1 < text.length) {
      word += char + text[++at]!;
    } else if (quote !== '') {
      word += char;
      if (char === quote) quote = '';
    } else if (char === '"' || char === "'") {
      word += char;
      quote = char;
    } else if (/\s/.test(char)) {
      if (word !== '') words.push(word);
      word = '';
    } else word += char;
  }
  if (word !== '') words.push(word);
  return words;
}

/**
 * Takes quotes and backslashes away and puts variables of `env` ("NAME=value") in: $A, ${A}, ${A:-word}, ${A:+word}, ${A-word},
 * ${A+word}. Nothing is expanded between single quotes. Throws invalid_parameter for an unfinished quote or an operator that
 * is none.
 */
export function expandWord(text: string, env: string[] = []): string {
  const variables = new Map(
    env.map((entry): [string, string] => {
      const at = entry.indexOf('=');
      return at < 0 ? [entry, ''] : [entry.slice(0, at), entry.slice(at + 1)];
    }),
  );
  let result = '';
  let quote = '';
  for (let at = 0; at < text.length; at++) {
    const char = text[at]!;
    if (quote === "'") {
      if (char === "'") quote = '';
      else result += char;
    } else if (char === '\\' && at + 1 < text.length) {
      const next = text[++at]!;
      // Between double quotes a backslash only guards what is special there.
      result += quote === '"' && !'"$\\'.includes(next) ? char + next : next;
    } else if (char === '"') quote = quote === '"' ? '' : '"';
    else if (char === "'" && quote === '') quote = "'";
    else if (char === '$') {
      const found = variable(text, at, variables, env);
      result += found.value;
      at = found.end - 1;
    } else result += char;
  }
  if (quote !== '') {
    throw new GantryError(
      'invalid_parameter',
      `unexpected end of statement while looking for matching ${quote === '"' ? 'double' : 'single'}-quote`,
    );
  }
  return result;
}

/** The variable at `at` (a "$") and where the text goes on. */
function variable(
  text: string,
  at: number,
  variables: Map<string, string>,
  env: string[],
): { value: string; end: number } {
  const plain = /^\$([A-Za-z_][A-Za-z0-9_]*|\d)/.exec(text.slice(at));
  if (plain !== null) return { value: variables.get(plain[1]!) ?? '', end: at + plain[0].length };
  const braced = /^\$\{([A-Za-z_][A-Za-z0-9_]*)(:?[-+])?/.exec(text.slice(at));
  if (braced === null) return { value: '$', end: at + 1 };
  let depth = 1;
  let end = at + braced[0].length;
  const start = end;
  for (; end < text.length && depth > 0; end++) {
    if (text[end] === '{') depth++;
    else if (text[end] === '}') depth--;
  }
  const operator = braced[2];
  if (depth > 0 || (operator === undefined && end !== start + 1)) {
    throw new GantryError('invalid_parameter', `unsupported modifier in substitution: ${text.slice(at, end)}`);
  }
  const word = text.slice(start, end - 1);
  const value = variables.get(braced[1]!);
  const isSet = operator?.startsWith(':') ? value !== undefined && value !== '' : value !== undefined;
  if (operator?.endsWith('-')) return { value: isSet ? value! : expandWord(word, env), end };
  if (operator?.endsWith('+')) return { value: isSet ? expandWord(word, env) : '', end };
  return { value: value ?? '', end };
}
