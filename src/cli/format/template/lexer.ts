/** Tokens of Go's text/template action language (https://pkg.go.dev/text/template). */

export type TokenKind =
  | 'text'
  | 'open'
  | 'close'
  | 'space'
  | 'identifier'
  | 'field'
  | 'variable'
  | 'number'
  | 'string'
  | 'char'
  | 'dot'
  | 'pipe'
  | 'comma'
  | 'assign'
  | 'declare'
  | 'left-paren'
  | 'right-paren'
  /** A printable character that means nothing here: the parser says where it stands. */
  | 'other';

export interface Token {
  kind: TokenKind;
  /** Identifier or field name, decoded string, text. */
  value: string;
  /** Offset in the template. */
  at: number;
}

/** A template that does not parse. `at` is the offset in the template. */
export class TemplateSyntaxError extends Error {
  readonly at: number;
  constructor(message: string, at: number) {
    super(message);
    this.name = 'TemplateSyntaxError';
    this.at = at;
  }
}

const ESCAPES: Record<string, string> = {
  n: '\n',
  t: '\t',
  r: '\r',
  a: '\x07',
  b: '\b',
  f: '\f',
  v: '\v',
  '\\': '\\',
  '"': '"',
  "'": "'",
};

/** Reads a Go interpreted string or rune literal that starts at `at`; returns its value and the offset behind it. */
function readQuoted(source: string, at: number, quote: string): { value: string; end: number } {
  const unterminated = `unterminated ${quote === '"' ? 'quoted string' : 'character constant'}`;
  let value = '';
  let position = at + 1;
  for (;;) {
    const character = source[position];
    if (character === undefined || character === '\n') throw new TemplateSyntaxError(unterminated, at);
    if (character === quote) return { value, end: position + 1 };
    if (character !== '\\') {
      value += character;
      position++;
      continue;
    }
    const next = source[position + 1] ?? '';
    const hex = /^(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))/.exec(
      source.slice(position + 1, position + 10),
    );
    const octal = /^[0-7]{3}/.exec(source.slice(position + 1, position + 4));
    if (ESCAPES[next] !== undefined) {
      value += ESCAPES[next];
      position += 2;
    } else if (hex !== null) {
      value += String.fromCodePoint(Number.parseInt((hex[1] ?? hex[2] ?? hex[3])!, 16));
      position += 1 + hex[0].length;
    } else if (octal !== null) {
      value += String.fromCodePoint(Number.parseInt(octal[0], 8));
      position += 4;
    } else throw new TemplateSyntaxError(unterminated, at);
  }
}

const SINGLE: Record<string, TokenKind> = {
  '|': 'pipe',
  ',': 'comma',
  '=': 'assign',
};

/** Splits a template into text and the tokens of its actions; trim markers and comments are applied here. */
export function tokenize(source: string): Token[] {
  const tokens: Token[] = [];
  let position = 0;
  let trimNext = false;
  while (position < source.length) {
    const open = source.indexOf('{{', position);
    let text = source.slice(position, open < 0 ? source.length : open);
    if (trimNext) text = text.replace(/^[ \t\r\n]+/, '');
    trimNext = false;
    const trimBefore = open >= 0 && /^-[ \t\r\n]/.test(source.slice(open + 2, open + 4));
    if (trimBefore) text = text.replace(/[ \t\r\n]+$/, '');
    if (text !== '') tokens.push({ kind: 'text', value: text, at: position });
    if (open < 0) break;
    position = open + 2 + (trimBefore ? 1 : 0);
    const commentStart = /^[ \t\r\n]*/.exec(trimBefore ? source.slice(position) : '')![0].length;
    if (source.startsWith('/*', position + commentStart)) {
      const comment = /^[ \t\r\n]*\/\*[\s\S]*?\*\/(?:([ \t\r\n]+-)?\}\})?/.exec(source.slice(position));
      if (comment === null) throw new TemplateSyntaxError('unclosed comment', open);
      if (!comment[0].endsWith('}}')) throw new TemplateSyntaxError('comment ends before closing delimiter', open);
      trimNext = comment[1] !== undefined;
      position += comment[0].length;
      continue;
    }
    tokens.push({ kind: 'open', value: '{{', at: open });
    const end = readAction(source, position, tokens, open);
    trimNext = end.trim;
    position = end.position;
  }
  return tokens;
}

/** What may stand behind a name: a space, the end of the action, or a character with a meaning of its own. */
function checkTerminated(source: string, position: number): void {
  const next = [...source.slice(position, position + 2)][0];
  if (next === undefined || /[ \t\r\n.,|:()]/.test(next) || source.startsWith('}}', position)) return;
  const code = next.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0');
  throw new TemplateSyntaxError(`bad character U+${code} '${next}'`, position);
}

function readAction(source: string, start: number, tokens: Token[], open: number): { position: number; trim: boolean } {
  let position = start;
  let parentheses = 0;
  for (;;) {
    const rest = source.slice(position);
    if (rest === '') throw new TemplateSyntaxError('unclosed action', open);
    const closing = /^(?:[ \t\r\n]+-)?\}\}/.exec(rest);
    if (closing !== null) {
      if (parentheses > 0) throw new TemplateSyntaxError('unclosed left paren', position);
      tokens.push({ kind: 'close', value: '}}', at: position });
      return { position: position + closing[0].length, trim: closing[0].length > 2 };
    }
    const space = /^[ \t\r\n]+/.exec(rest);
    if (space !== null) {
      tokens.push({ kind: 'space', value: ' ', at: position });
      position += space[0].length;
      continue;
    }
    const character = rest[0]!;
    const single = SINGLE[character];
    const number = /^[+-]?(?:0[xX][0-9a-fA-F]+|\d[\d_]*(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+)/.exec(rest);
    const name = /^[$.]?[\p{L}_][\p{L}\p{Nd}_]*/u.exec(rest);
    if (rest.startsWith(':=')) {
      tokens.push({ kind: 'declare', value: ':=', at: position });
      position += 2;
    } else if (character === '(' || character === ')') {
      parentheses += character === '(' ? 1 : -1;
      if (parentheses < 0) throw new TemplateSyntaxError('unexpected right paren', position);
      tokens.push({ kind: character === '(' ? 'left-paren' : 'right-paren', value: character, at: position });
      position++;
    } else if (single !== undefined) {
      tokens.push({ kind: single, value: character, at: position });
      position++;
    } else if (character === '"' || character === "'") {
      const quoted = readQuoted(source, position, character);
      tokens.push({ kind: character === '"' ? 'string' : 'char', value: quoted.value, at: position });
      position = quoted.end;
    } else if (character === '`') {
      const end = source.indexOf('`', position + 1);
      if (end < 0) throw new TemplateSyntaxError('unterminated raw quoted string', position);
      tokens.push({ kind: 'string', value: source.slice(position + 1, end), at: position });
      position = end + 1;
    } else if (number !== null) {
      tokens.push({ kind: 'number', value: number[0].replaceAll('_', ''), at: position });
      position += number[0].length;
    } else if (name !== null) {
      const kind = character === '.' ? 'field' : character === '$' ? 'variable' : 'identifier';
      tokens.push({ kind, value: kind === 'identifier' ? name[0] : name[0].slice(1), at: position });
      position += name[0].length;
      checkTerminated(source, position);
    } else if (character === '$') {
      tokens.push({ kind: 'variable', value: '', at: position });
      position++;
    } else if (character === '.') {
      tokens.push({ kind: 'dot', value: '.', at: position });
      position++;
    } else {
      tokens.push({ kind: 'other', value: character, at: position });
      position++;
    }
  }
}
