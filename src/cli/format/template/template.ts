import { FUNCTIONS, type Parameter, type TemplateFunction } from './functions.ts';
import { TemplateSyntaxError } from './lexer.ts';
import {
  type Command,
  type Expression,
  type Node,
  type ParsedTemplate,
  type Pipeline,
  type Place,
  parse,
} from './parser.ts';
import { format, isMap, MISSING, TemplateRunError, TYPE, truth, typeName } from './values.ts';

export interface TemplateOptions {
  /** A key that is not there is an error (docker inspect) rather than "<no value>". */
  strict?: boolean;
  /** Fields that hold maps with keys of the user's (labels): a key missing there is "<no value>" even when strict. */
  maps?: ReadonlySet<string>;
  /** Stands in messages before the line. */
  name?: string;
  functions?: ReadonlyMap<string, TemplateFunction>;
}

/** What a template could not do with its data. */
export class TemplateError extends Error {
  /** What was written before. */
  readonly output: string;
  /** A field that the type does not have: known without any data. */
  readonly field: boolean;

  constructor(message: string, output: string, field: boolean) {
    super(message);
    this.output = output;
    this.field = field;
  }
}

class Break extends Error {}
class Continue extends Error {}

/** How deep templates may call templates: Go stops at 100,000, JavaScript's stack earlier. */
const MAX_DEPTH = 500;

interface Variable {
  name: string;
  value: unknown;
}

/**
 * A Go text/template over JSON values. Objects are maps; a function-valued field is a method ({{.Label "x"}}).
 * Throws Error with Go's wording ("template: :1:2: ...") when it does not parse or run.
 */
export class Template {
  readonly #parsed: ParsedTemplate;
  readonly #options: TemplateOptions;

  constructor(source: string, options: TemplateOptions = {}) {
    this.#options = options;
    try {
      this.#parsed = parse(source);
      this.#checkFunctions(this.#parsed.nodes);
      for (const nodes of this.#parsed.definitions.values()) this.#checkFunctions(nodes);
    } catch (error) {
      if (!(error instanceof TemplateSyntaxError)) throw error;
      const line = source.slice(0, error.at).split('\n').length;
      throw new Error(`template: ${options.name ?? ''}:${line}: ${error.message}`);
    }
  }

  execute(data: unknown): string {
    return new Execution(this.#parsed, this.#options).run(data);
  }

  #checkFunctions(nodes: Node[]): void {
    const check = (pipeline: Pipeline): void => {
      for (const { operands } of pipeline.commands) operands.forEach(visit);
    };
    const visit = (expression: Expression): void => {
      if (
        expression.kind === 'function' &&
        !FUNCTIONS.has(expression.name) &&
        expression.name !== 'and' &&
        expression.name !== 'or'
      ) {
        throw new TemplateSyntaxError(`function ${JSON.stringify(expression.name)} not defined`, expression.at);
      }
      if (expression.kind === 'chain') visit(expression.operand);
      if (expression.kind === 'pipeline') check(expression.pipeline);
    };
    for (const node of nodes) {
      if ('pipeline' in node && node.pipeline !== null) check(node.pipeline);
      if ('body' in node) {
        this.#checkFunctions(node.body);
        this.#checkFunctions(node.otherwise);
      }
    }
  }
}

class Execution {
  readonly #template: ParsedTemplate;
  readonly #options: TemplateOptions;
  #variables: Variable[] = [];
  #output = '';
  #depth = 0;

  constructor(template: ParsedTemplate, options: TemplateOptions) {
    this.#template = template;
    this.#options = options;
  }

  run(data: unknown): string {
    this.#variables = [{ name: '', value: data }];
    this.#nodes(this.#template.nodes, data);
    return this.#output;
  }

  #nodes(nodes: Node[], dot: unknown): void {
    for (const node of nodes) this.#node(node, dot);
  }

  #node(node: Node, dot: unknown): void {
    switch (node.kind) {
      case 'text':
        this.#output += node.value;
        return;
      case 'action': {
        const value = this.#pipeline(node.pipeline, dot);
        if (node.pipeline.variables.length === 0) this.#output += format(value);
        return;
      }
      case 'break':
        throw new Break();
      case 'continue':
        throw new Continue();
      case 'template':
        this.#call(node.name, node.pipeline === null ? null : this.#pipeline(node.pipeline, dot), node);
        return;
      case 'range':
        this.#scoped(() => this.#range(node, dot));
        return;
      default:
        this.#scoped(() => {
          const value = this.#pipeline(node.pipeline, dot);
          if (truth(value)) this.#nodes(node.body, node.kind === 'with' ? value : dot);
          else this.#nodes(node.otherwise, dot);
        });
    }
  }

  #scoped(work: () => void): void {
    const mark = this.#variables.length;
    try {
      work();
    } finally {
      this.#variables.length = mark;
    }
  }

  #call(name: string, data: unknown, place: Place): void {
    const nodes = this.#template.definitions.get(name);
    if (nodes === undefined) throw this.#failure(`template ${JSON.stringify(name)} not defined`, place);
    if (++this.#depth > MAX_DEPTH) throw this.#failure('exceeded maximum template depth', place);
    const outer = this.#variables;
    this.#variables = [{ name: '', value: data }];
    this.#nodes(nodes, data);
    this.#variables = outer;
    this.#depth--;
  }

  #range(node: Extract<Node, { body: Node[] }>, dot: unknown): void {
    const value = this.#evaluate(node.pipeline, dot);
    const place = node.pipeline.commands[0]!;
    const entries = this.#entries(value, place);
    const [first, second] = node.pipeline.variables;
    if (second !== undefined && typeof value === 'number')
      throw this.#failure(`can't use ${value} to iterate over more than one variable`, place);
    let ran = false;
    for (const [key, element] of entries) {
      ran = true;
      try {
        this.#scoped(() => {
          if (second !== undefined) {
            this.#assign(first!, key, node.pipeline.declares);
            this.#assign(second, element, node.pipeline.declares);
          } else if (first !== undefined) this.#assign(first, element, node.pipeline.declares);
          this.#nodes(node.body, element);
        });
      } catch (error) {
        if (error instanceof Break) break;
        if (!(error instanceof Continue)) throw error;
      }
    }
    if (!ran) this.#nodes(node.otherwise, dot);
  }

  #entries(value: unknown, place: Place): [unknown, unknown][] {
    if (value === null || value === undefined || value === MISSING) return [];
    if (Array.isArray(value)) return value.map((element, index) => [index, element]);
    if (typeof value === 'number' && Number.isInteger(value))
      return Array.from({ length: Math.max(0, value) }, (_none, index) => [index, index]);
    if (isMap(value) && !(TYPE in value)) {
      return Object.keys(value)
        .sort()
        .map((key) => [key, value[key]]);
    }
    throw this.#failure(`range can't iterate over ${format(value)}`, place);
  }

  #pipeline(pipeline: Pipeline, dot: unknown): unknown {
    const value = this.#evaluate(pipeline, dot);
    for (const name of pipeline.variables) this.#assign(name, value, pipeline.declares);
    return value;
  }

  #assign(name: string, value: unknown, declares: boolean): void {
    if (declares) {
      this.#variables.push({ name, value });
      return;
    }
    this.#variable(name).value = value;
  }

  /** The parser has checked that there is one. */
  #variable(name: string): Variable {
    return this.#variables.findLast((candidate) => candidate.name === name)!;
  }

  #evaluate(pipeline: Pipeline, dot: unknown): unknown {
    let value: unknown;
    pipeline.commands.forEach((command, index) => {
      value = this.#command(command, dot, index === 0 ? [] : [value]);
    });
    return value;
  }

  #command(command: Command, dot: unknown, final: unknown[]): unknown {
    const [head, ...rest] = command.operands as [Expression, ...Expression[]];
    if (head.kind === 'function') {
      if (head.name === 'and' || head.name === 'or') return this.#logic(head, rest, dot, final);
      const fn = (this.#options.functions ?? FUNCTIONS).get(head.name)!;
      return this.#invoke(fn, head, command, this.#arguments(fn, head, rest, dot, final));
    }
    if (head.kind === 'chain') return this.#chain(head, dot, rest, final);
    if (rest.length > 0 || final.length > 0)
      throw this.#failure(`can't give argument to non-function ${head.text}`, head);
    if (head.kind === 'literal' && head.value === null) throw this.#failure('nil is not a command', head);
    return this.#argument(head, dot);
  }

  /** The arguments of a call, checked against what the function takes, as Go does before it calls. */
  #arguments(
    fn: TemplateFunction,
    head: Place & { name: string },
    rest: readonly Expression[],
    dot: unknown,
    final: unknown[],
  ): unknown[] {
    const count = rest.length + final.length;
    if (count < fn.params.length || (count > fn.params.length && fn.rest === undefined)) {
      const want = `${fn.rest === undefined ? '' : 'at least '}${fn.params.length}`;
      throw this.#failure(`wrong number of args for ${head.name}: want ${want} got ${count}`, head);
    }
    const type = (index: number): Parameter => fn.params[index] ?? fn.rest ?? 'any';
    const values = rest.map((argument, index) => {
      const value = this.#argument(argument, dot);
      this.#check(value, type(index), argument, argument.kind === 'literal');
      return value;
    });
    for (const value of final) this.#check(value, type(values.length), head, false);
    return [...values, ...final];
  }

  #check(value: unknown, type: Parameter, place: Place, literal: boolean): void {
    if (type === 'any') return;
    if (type === 'string' && typeof value === 'string') return;
    if (type === 'int' && typeof value === 'number' && Number.isInteger(value)) return;
    if (type === '[]string' && Array.isArray(value)) return;
    if (literal) throw this.#failure(`expected ${type === 'int' ? 'integer' : type}; found ${place.text}`, place);
    const nil = value === null || value === undefined || value === MISSING;
    throw this.#failure(
      nil ? `invalid value; expected ${type}` : `wrong type for value; expected ${type}; got ${typeName(value)}`,
      place,
    );
  }

  /** `and` and `or` stop at the first argument that decides, as in Go since 1.18. */
  #logic(head: Place & { name: string }, rest: Expression[], dot: unknown, final: unknown[]): unknown {
    const { name } = head;
    const thunks = [
      ...rest.map((argument) => () => this.#argument(argument, dot)),
      ...final.map((value) => () => value),
    ];
    if (thunks.length === 0) throw this.#failure(`wrong number of args for ${name}: want at least 1 got 0`, head);
    let value: unknown;
    for (const thunk of thunks) {
      value = thunk();
      if (truth(value) === (name === 'or')) return value;
    }
    return value;
  }

  #argument(expression: Expression, dot: unknown): unknown {
    switch (expression.kind) {
      case 'literal':
        return expression.value;
      case 'dot':
        return dot;
      case 'variable':
        return this.#variable(expression.name).value;
      case 'chain':
        return this.#chain(expression, dot, [], []);
      case 'pipeline':
        return this.#pipeline(expression.pipeline, dot);
      case 'function':
        return this.#command({ operands: [expression], at: expression.at, text: expression.text }, dot, []);
    }
  }

  #chain(
    expression: Extract<Expression, { kind: 'chain' }>,
    dot: unknown,
    rest: Expression[],
    final: unknown[],
  ): unknown {
    let value = this.#argument(expression.operand, dot);
    expression.fields.forEach((field, index) => {
      const last = index === expression.fields.length - 1;
      const before = index === 0 ? '' : expression.fields[index - 1]!;
      value = this.#field(value, field, expression, this.#options.maps?.has(before) === true);
      const count = last ? rest.length + final.length : 0;
      if (typeof value === 'function') {
        const method: TemplateFunction = {
          params: Array.from({ length: value.length }, () => 'string' as const),
          call: value as TemplateFunction['call'],
        };
        const place = { name: field, at: expression.at, text: expression.text };
        const args = this.#arguments(method, place, last ? rest : [], dot, last ? final : []);
        value = this.#invoke(method, place, expression, args);
      } else if (count > 0) {
        // The fields of a listing's rows are methods in Go.
        throw this.#failure(`wrong number of args for ${field}: want 0 got ${count}`, expression);
      }
    });
    return value;
  }

  #field(value: unknown, field: string, place: Place, lenient: boolean): unknown {
    if (value === null || value === undefined || value === MISSING) {
      if (this.#options.strict === true || value === MISSING)
        throw this.#failure(`nil data; no entry for key ${JSON.stringify(field)}`, place);
      throw this.#failure(`nil pointer evaluating interface {}.${field}`, place);
    }
    if (!isMap(value)) throw this.#failure(`can't evaluate field ${field} in type ${typeName(value)}`, place, true);
    if (Object.hasOwn(value, field)) return value[field];
    if (TYPE in value) {
      const what = /^\p{Lu}/u.test(field)
        ? `can't evaluate field ${field} in type ${typeName(value)}`
        : `${field} is an unexported field of struct type ${typeName(value)}`;
      throw this.#failure(what, place, true);
    }
    if (this.#options.strict === true && !lenient)
      throw this.#failure(`map has no entry for key ${JSON.stringify(field)}`, place);
    return MISSING;
  }

  #invoke(fn: TemplateFunction, head: { name: string }, place: Place, args: unknown[]): unknown {
    try {
      return fn.call(...args);
    } catch (error) {
      if (error instanceof TemplateRunError) throw this.#failure(`error calling ${head.name}: ${error.message}`, place);
      throw error;
    }
  }

  #failure(message: string, { at, text }: Place, field = false): Error {
    const before = this.#template.source.slice(0, at);
    const line = before.split('\n').length;
    const column = at - (before.lastIndexOf('\n') + 1);
    const name = this.#options.name ?? '';
    return new TemplateError(
      `template: ${name}:${line}:${column}: executing ${JSON.stringify(name)} at <${text}>: ${message}`,
      this.#output,
      field,
    );
  }
}
