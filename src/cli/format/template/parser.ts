import { TemplateSyntaxError, type Token, type TokenKind, tokenize } from './lexer.ts';

/** Where a node stands in the source, and the text by which messages name it. */
export interface Place {
  at: number;
  text: string;
}

export type Expression = Place &
  (
    | { kind: 'literal'; value: unknown }
    | { kind: 'dot' }
    | { kind: 'variable'; name: string }
    | { kind: 'function'; name: string }
    /** .A.B on an operand (dot, variable or parenthesised pipeline). */
    | { kind: 'chain'; operand: Expression; fields: string[] }
    | { kind: 'pipeline'; pipeline: Pipeline }
  );

/** Operand and arguments; one operand alone is a value. */
export interface Command extends Place {
  operands: Expression[];
}

export interface Pipeline extends Place {
  commands: Command[];
  /** Variables set by the pipeline: one, or index and element of a range. */
  variables: string[];
  declares: boolean;
}

export type Node =
  | { kind: 'text'; value: string }
  | { kind: 'action'; pipeline: Pipeline }
  | { kind: 'if' | 'with' | 'range'; pipeline: Pipeline; body: Node[]; otherwise: Node[] }
  | ({ kind: 'template'; name: string; pipeline: Pipeline | null } & Place)
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
  /** Names of the variables that are in scope; '' is $, the data. */
  #variables = [''];
  #ranges = 0;

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
    const keyword = token?.kind === 'identifier' && KEYWORDS.has(token.value);
    const what = token === undefined ? 'EOF' : keyword ? `<${token.value}>` : JSON.stringify(token.value);
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
      if (this.#ranges === 0) throw new TemplateSyntaxError(`{{${word}}} outside {{range}}`, this.#at());
      this.#close(word);
      return { kind: word };
    }
    if (word === 'if' || word === 'with' || word === 'range') return this.#scoped(() => this.#control(word));
    const at = this.#at();
    this.#skipSpace();
    const nameAt = this.#at();
    const name = this.#expect('string', `${word} clause`).value;
    const text = `{{template ${this.#source.slice(nameAt, this.#at())}}}`;
    if (word === 'define') {
      this.#close('define clause');
      this.#define(name);
      return null;
    }
    this.#skipSpace();
    const alone = word === 'template' && this.#peek()?.kind === 'close';
    const pipeline = alone ? null : this.#pipeline(`${word} clause`, 'close');
    this.#close(`${word} clause`);
    if (word === 'block') this.#define(name);
    return { kind: 'template', name, pipeline, text, at };
  }

  /** The body of a template of its own: it sees no variables and no range of the one around it. */
  #define(name: string): void {
    const [variables, ranges] = [this.#variables, this.#ranges];
    this.#variables = [''];
    this.#ranges = 0;
    const { nodes, stop } = this.#list();
    if (stop !== 'end') throw new TemplateSyntaxError('unexpected EOF', this.#at());
    this.#definitions.set(name, nodes);
    this.#variables = variables;
    this.#ranges = ranges;
  }

  /** Variables declared by `work` end with it. */
  #scoped<T>(work: () => T): T {
    const mark = this.#variables.length;
    const result = work();
    this.#variables.length = mark;
    return result;
  }

  #control(word: 'if' | 'with' | 'range'): Node {
    const pipeline = this.#pipeline(word, 'close');
    this.#close(word);
    this.#ranges += word === 'range' ? 1 : 0;
    const { nodes: body, stop } = this.#scoped(() => this.#list());
    this.#ranges -= word === 'range' ? 1 : 0;
    let otherwise: Node[] = [];
    if (stop === 'else') {
      this.#skipSpace();
      const next = this.#peek();
      // {{else if x}} is {{else}}{{if x}} with one {{end}} for both.
      if (next?.kind === 'identifier' && (next.value === 'if' || next.value === 'with') && word !== 'range') {
        this.#next++;
        otherwise = [this.#control(next.value as 'if' | 'with')];
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
    const pipeline: Pipeline = { commands: [], variables: [], declares: false, at: this.#at(), text: '' };
    this.#readVariables(pipeline, context);
    for (;;) {
      this.#skipSpace();
      // Go lets a pipe stand before the end.
      if (this.#peek()?.kind === end && pipeline.commands.length > 0) break;
      const command = this.#command(context, end);
      if (pipeline.commands.length > 0 && ['literal', 'dot'].includes(command.operands[0]!.kind)) {
        const stage = pipeline.commands.length + 1;
        throw new TemplateSyntaxError(`non executable command in pipeline stage ${stage}`, command.at);
      }
      pipeline.commands.push(command);
      if (this.#peek()?.kind !== 'pipe') break;
      this.#next++;
    }
    if (this.#peek()?.kind !== end) throw this.#unexpected(context);
    pipeline.text = pipeline.commands.map(({ text }) => text).join(' | ');
    // In scope only behind the pipeline that sets them.
    if (pipeline.declares) this.#variables.push(...pipeline.variables);
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
        if (names.length === 2) throw new TemplateSyntaxError('too many declarations in range', this.#at());
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
    const at = this.#at();
    for (;;) {
      this.#skipSpace();
      const token = this.#peek();
      if (token === undefined || token.kind === end || token.kind === 'pipe') break;
      operands.push(this.#operand(operands.length === 0 ? context : 'operand'));
      const after = this.#peek();
      if (after !== undefined && !['space', 'pipe', end].includes(after.kind)) throw this.#unexpected('operand');
    }
    if (operands.length === 0) throw new TemplateSyntaxError(`missing value for ${context}`, this.#at());
    return { operands, at, text: operands.map(({ text }) => text).join(' ') };
  }

  #operand(context: string): Expression {
    const start = this.#at();
    const operand = this.#term(context);
    // ".A.B" arrives as two fields, the first of them as the term.
    const fields = operand.kind === 'chain' ? [...operand.fields] : [];
    const at = this.#at();
    while (this.#peek()?.kind === 'field') {
      if (operand.kind === 'literal' || operand.kind === 'dot') {
        throw new TemplateSyntaxError(`unexpected . after term ${JSON.stringify(operand.text)}`, at);
      }
      fields.push(this.#peek()!.value);
      this.#next++;
    }
    const text = this.#source.slice(start, this.#at()).trimEnd();
    if (text === operand.text) return operand;
    // Go reports a chain at its second part.
    if (operand.kind === 'chain') return { ...operand, fields, text, at };
    return { kind: 'chain', operand, fields, text, at };
  }

  #term(context: string): Expression {
    const token = this.#peek()!;
    const { at } = token;
    this.#next++;
    const text = this.#source.slice(at, this.#at());
    switch (token.kind) {
      case 'dot':
        return { kind: 'dot', text, at };
      case 'field':
        return { kind: 'chain', operand: { kind: 'dot', text: '.', at }, fields: [token.value], text, at };
      case 'variable':
        if (!this.#variables.includes(token.value)) {
          throw new TemplateSyntaxError(`undefined variable ${JSON.stringify(text)}`, at);
        }
        return { kind: 'variable', name: token.value, text, at };
      case 'string':
        return { kind: 'literal', value: token.value, text, at };
      case 'char':
        return { kind: 'literal', value: token.value.codePointAt(0) ?? 0, text, at };
      case 'number':
        return { kind: 'literal', value: Number(token.value), text, at };
      case 'identifier':
        if (KEYWORDS.has(token.value)) break;
        if (token.value === 'true' || token.value === 'false')
          return { kind: 'literal', value: token.value === 'true', text, at };
        if (token.value === 'nil') return { kind: 'literal', value: null, text, at };
        return { kind: 'function', name: token.value, text, at };
      case 'left-paren': {
        const pipeline = this.#scoped(() => this.#pipeline('parenthesized pipeline', 'right-paren'));
        this.#expect('right-paren', 'parenthesized pipeline');
        return { kind: 'pipeline', pipeline, text: this.#source.slice(at, this.#at()), at };
      }
    }
    this.#next--;
    throw this.#unexpected(context);
  }
}
