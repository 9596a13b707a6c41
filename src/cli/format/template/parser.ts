import { TemplateSyntaxError, type Token, type TokenKind, tokenize } from './lexer.ts';

export type Expression =
  | { kind: 'literal'; value: unknown; text: string }
  | { kind: 'dot'; text: string }
  | { kind: 'variable'; name: string; text: string }
  | { kind: 'function'; name: string; text: string }
  /** .A.B on an operand (dot, variable or parenthesised pipeline). */
  | { kind: 'chain'; operand: Expression; fields: string[]; text: string }
  | { kind: 'pipeline'; pipeline: Pipeline; text: string };

/** Operand and arguments; one operand alone is a value. */
export type Command = Expression[];

export interface Pipeline {
  commands: Command[];
  /** Variables set by the pipeline: one, or index and element of a range. */
  variables: string[];
  declares: boolean;
  at: number;
}

export type Node =
  | { kind: 'text'; value: string }
  | { kind: 'action'; pipeline: Pipeline }
  | { kind: 'if' | 'with' | 'range'; pipeline: Pipeline; body: Node[]; otherwise: Node[] }
  | { kind: 'template'; name: string; pipeline: Pipeline | null }
  | { kind: 'break' | 'continue' };

export interface ParsedTemplate {
  nodes: Node[];
  definitions: Map<string, Node[]>;
  source: string;
}

const KEYWORDS = new Set(['if', 'else', 'end', 'range', 'with', 'define', 'block', 'template', 'break', 'continue']);

/** Parses a Go text/template. Throws TemplateSyntaxError. */
export function parse(source: string): ParsedTemplate {
  return new Parser(source).parse();
}

class Parser {
  readonly #tokens: Token[];
  readonly #source: string;
  readonly #definitions = new Map<string, Node[]>();
  #next = 0;

  constructor(source: string) {
    this.#source = source;
    this.#tokens = tokenize(source);
  }

  parse(): ParsedTemplate {
    const { nodes, stop } = this.#list();
    if (stop !== null) throw new TemplateSyntaxError(`unexpected {{${stop}}}`, this.#at());
    return { nodes, definitions: this.#definitions, source: this.#source };
  }

  #peek(): Token | undefined {
    return this.#tokens[this.#next];
  }

  #at(): number {
    return this.#peek()?.at ?? this.#source.length;
  }

  #skipSpace(): void {
    while (this.#peek()?.kind === 'space') this.#next++;
  }

  #expect(kind: TokenKind, context: string): Token {
    const token = this.#peek();
    if (token?.kind !== kind) throw this.#unexpected(context);
    this.#next++;
    return token;
  }

  #unexpected(context: string): TemplateSyntaxError {
    const token = this.#peek();
    const what = token === undefined ? 'EOF' : `<${token.value}>`;
    return new TemplateSyntaxError(`unexpected ${what} in ${context}`, this.#at());
  }

  /** Nodes up to {{end}}, {{else ...}} or the end of the template; `stop` names what ended them. */
  #list(): { nodes: Node[]; stop: 'end' | 'else' | null } {
    const nodes: Node[] = [];
    for (;;) {
      const token = this.#peek();
      if (token === undefined) return { nodes, stop: null };
      if (token.kind === 'text') {
        nodes.push({ kind: 'text', value: token.value });
        this.#next++;
        continue;
      }
      this.#expect('open', 'template');
      this.#skipSpace();
      const word = this.#peek();
      if (word?.kind === 'identifier' && KEYWORDS.has(word.value)) {
        this.#next++;
        if (word.value === 'end' || word.value === 'else') {
          if (word.value === 'end') this.#close('end');
          return { nodes, stop: word.value };
        }
        const node = this.#keyword(word.value);
        if (node !== null) nodes.push(node);
        continue;
      }
      nodes.push({ kind: 'action', pipeline: this.#pipeline('command', 'close') });
      this.#close('command');
    }
  }

  #close(context: string): void {
    this.#skipSpace();
    this.#expect('close', context);
  }

  #keyword(word: string): Node | null {
    if (word === 'break' || word === 'continue') {
      this.#close(word);
      return { kind: word };
    }
    if (word === 'if' || word === 'with' || word === 'range') return this.#control(word);
    this.#skipSpace();
    const name = this.#expect('string', `${word} clause`).value;
    if (word === 'define') {
      this.#close('define clause');
      const { nodes, stop } = this.#list();
      if (stop !== 'end') throw new TemplateSyntaxError('unexpected EOF', this.#at());
      this.#definitions.set(name, nodes);
      return null;
    }
    this.#skipSpace();
    const pipeline = this.#peek()?.kind === 'close' ? null : this.#pipeline(`${word} clause`, 'close');
    this.#close(`${word} clause`);
    if (word === 'block') {
      const { nodes, stop } = this.#list();
      if (stop !== 'end') throw new TemplateSyntaxError('unexpected EOF', this.#at());
      this.#definitions.set(name, nodes);
    }
    return { kind: 'template', name, pipeline };
  }

  #control(word: 'if' | 'with' | 'range'): Node {
    const pipeline = this.#pipeline(word, 'close');
    this.#close(word);
    const { nodes: body, stop } = this.#list();
    let otherwise: Node[] = [];
    if (stop === 'else') {
      this.#skipSpace();
      const next = this.#peek();
      // {{else if x}} is {{else}}{{if x}} with one {{end}} for both.
      if (next?.kind === 'identifier' && (next.value === 'if' || next.value === 'with') && word !== 'range') {
        this.#next++;
        otherwise = [this.#control(next.value)];
        return { kind: word, pipeline, body, otherwise };
      }
      this.#close('else');
      const rest = this.#list();
      if (rest.stop !== 'end') throw new TemplateSyntaxError('expected end; found {{else}}', this.#at());
      otherwise = rest.nodes;
    } else if (stop === null) throw new TemplateSyntaxError('unexpected EOF', this.#at());
    return { kind: word, pipeline, body, otherwise };
  }

  #pipeline(context: string, end: TokenKind): Pipeline {
    this.#skipSpace();
    const pipeline: Pipeline = { commands: [], variables: [], declares: false, at: this.#at() };
    this.#readVariables(pipeline, context);
    for (;;) {
      this.#skipSpace();
      pipeline.commands.push(this.#command(context, end));
      if (this.#peek()?.kind !== 'pipe') break;
      this.#next++;
    }
    if (this.#peek()?.kind !== end) throw this.#unexpected(context);
    return pipeline;
  }

  /** `$x :=`, `$x =` or `$i, $e :=` before a pipeline. */
  #readVariables(pipeline: Pipeline, context: string): void {
    const start = this.#next;
    const names: string[] = [];
    for (;;) {
      this.#skipSpace();
      const token = this.#peek();
      if (token?.kind !== 'variable') break;
      names.push(token.value);
      this.#next++;
      this.#skipSpace();
      const next = this.#peek();
      if (next?.kind === 'comma' && context === 'range') {
        this.#next++;
        continue;
      }
      if (next?.kind === 'declare' || next?.kind === 'assign') {
        this.#next++;
        pipeline.variables = names;
        pipeline.declares = next.kind === 'declare';
        return;
      }
      break;
    }
    this.#next = start;
  }

  #command(context: string, end: TokenKind): Command {
    const operands: Expression[] = [];
    for (;;) {
      this.#skipSpace();
      const token = this.#peek();
      if (token === undefined || token.kind === end || token.kind === 'pipe') break;
      if (token.kind === 'close' || token.kind === 'right-paren') throw this.#unexpected(context);
      operands.push(this.#operand(context));
      const after = this.#peek();
      if (after !== undefined && !['space', 'pipe', end].includes(after.kind)) throw this.#unexpected('operand');
    }
    if (operands.length === 0) {
      throw new TemplateSyntaxError(
        this.#peek()?.kind === 'pipe' || context === 'command'
          ? `missing value for ${context}`
          : `missing value for ${context}`,
        this.#at(),
      );
    }
    return operands;
  }

  #operand(context: string): Expression {
    const start = this.#at();
    let operand = this.#term(context);
    const fields: string[] = [];
    while (this.#peek()?.kind === 'field') {
      fields.push(this.#peek()!.value);
      this.#next++;
    }
    const text = this.#source.slice(start, this.#at()).trimEnd();
    if (fields.length > 0) {
      // ".A.B" arrives as dot-less fields: the term consumed the first one.
      operand =
        operand.kind === 'chain'
          ? { ...operand, fields: [...operand.fields, ...fields], text }
          : { kind: 'chain', operand, fields, text };
    }
    return operand;
  }

  #term(context: string): Expression {
    const token = this.#peek()!;
    this.#next++;
    switch (token.kind) {
      case 'dot':
        return { kind: 'dot', text: '.' };
      case 'field':
        return { kind: 'chain', operand: { kind: 'dot', text: '.' }, fields: [token.value], text: `.${token.value}` };
      case 'variable':
        return { kind: 'variable', name: token.value, text: `$${token.value}` };
      case 'string':
        return { kind: 'literal', value: token.value, text: JSON.stringify(token.value) };
      case 'char':
        return { kind: 'literal', value: token.value.codePointAt(0) ?? 0, text: `'${token.value}'` };
      case 'number':
        return { kind: 'literal', value: Number(token.value), text: token.value };
      case 'identifier':
        if (token.value === 'true' || token.value === 'false')
          return { kind: 'literal', value: token.value === 'true', text: token.value };
        if (token.value === 'nil') return { kind: 'literal', value: null, text: 'nil' };
        return { kind: 'function', name: token.value, text: token.value };
      case 'left-paren': {
        const pipeline = this.#pipeline('parenthesized pipeline', 'right-paren');
        this.#expect('right-paren', 'parenthesized pipeline');
        return { kind: 'pipeline', pipeline, text: this.#source.slice(token.at, this.#at()) };
      }
      default:
        this.#next--;
        throw this.#unexpected(context);
    }
  }
}
