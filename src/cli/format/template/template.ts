import { FUNCTIONS, type TemplateFunction } from './functions.ts';
import { TemplateSyntaxError } from './lexer.ts';
import { type Command, type Expression, type Node, type ParsedTemplate, type Pipeline, parse } from './parser.ts';
import { format, isMap, MISSING, TemplateRunError, truth, typeName } from './values.ts';

export interface TemplateOptions {
  /** A key that is not there is an error (docker inspect) rather than "<no value>". */
  strict?: boolean;
  /** Fields that hold maps with keys of the user's (labels): a key missing there is "<no value>" even when strict. */
  maps?: ReadonlySet<string>;
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
      throw new Error(`template: :${line}: ${error.message}`);
    }
  }

  execute(data: unknown): string {
    return new Execution(this.#parsed, this.#options).run(data);
  }

  #checkFunctions(nodes: Node[]): void {
    const check = (pipeline: Pipeline): void => {
      for (const expression of pipeline.commands.flat()) visit(expression);
    };
    const visit = (expression: Expression): void => {
      if (
        expression.kind === 'function' &&
        !FUNCTIONS.has(expression.name) &&
        expression.name !== 'and' &&
        expression.name !== 'or'
      ) {
        throw new TemplateSyntaxError(`function ${JSON.stringify(expression.name)} not defined`, 0);
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
        this.#call(node.name, node.pipeline === null ? null : this.#pipeline(node.pipeline, dot));
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

  #call(name: string, data: unknown): void {
    const nodes = this.#template.definitions.get(name);
    if (nodes === undefined) throw this.#failure(`template ${JSON.stringify(name)} not defined`, name);
    if (++this.#depth > MAX_DEPTH) throw this.#failure('exceeded maximum template depth', name);
    const outer = this.#variables;
    this.#variables = [{ name: '', value: data }];
    this.#nodes(nodes, data);
    this.#variables = outer;
    this.#depth--;
  }

  #range(node: Extract<Node, { body: Node[] }>, dot: unknown): void {
    const value = this.#evaluate(node.pipeline, dot);
    const entries = this.#entries(value);
    const [first, second] = node.pipeline.variables;
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

  #entries(value: unknown): [unknown, unknown][] {
    if (value === null || value === undefined || value === MISSING) return [];
    if (Array.isArray(value)) return value.map((element, index) => [index, element]);
    if (typeof value === 'number' && Number.isInteger(value))
      return Array.from({ length: Math.max(0, value) }, (_none, index) => [index, index]);
    if (isMap(value)) {
      return Object.keys(value)
        .sort()
        .map((key) => [key, value[key]]);
    }
    throw this.#failure(`range can't iterate over ${format(value)}`, '.');
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
    const variable = this.#variables.findLast((candidate) => candidate.name === name);
    if (variable === undefined) throw this.#failure(`undefined variable: $${name}`, `$${name}`);
    variable.value = value;
  }

  #evaluate(pipeline: Pipeline, dot: unknown): unknown {
    let value: unknown;
    pipeline.commands.forEach((command, index) => {
      value = this.#command(command, dot, index === 0 ? [] : [value]);
    });
    return value;
  }

  #command(command: Command, dot: unknown, final: unknown[]): unknown {
    const [head, ...rest] = command as [Expression, ...Expression[]];
    if (head.kind === 'function') {
      if (head.name === 'and' || head.name === 'or') return this.#logic(head.name, rest, dot, final);
      const fn = FUNCTIONS.get(head.name)!;
      return this.#invoke(fn, head, [...rest.map((argument) => this.#argument(argument, dot)), ...final]);
    }
    if (head.kind === 'chain') return this.#chain(head, dot, rest, final);
    if (rest.length > 0 || final.length > 0)
      throw this.#failure(`can't give argument to non-function ${head.text}`, head.text);
    return this.#argument(head, dot);
  }

  /** `and` and `or` stop at the first argument that decides, as in Go since 1.18. */
  #logic(name: 'and' | 'or', rest: Expression[], dot: unknown, final: unknown[]): unknown {
    const thunks = [
      ...rest.map((argument) => () => this.#argument(argument, dot)),
      ...final.map((value) => () => value),
    ];
    if (thunks.length === 0) throw this.#failure(`wrong number of args for ${name}: want at least 1 got 0`, name);
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
      case 'variable': {
        const variable = this.#variables.findLast((candidate) => candidate.name === expression.name);
        if (variable === undefined) throw this.#failure(`undefined variable: $${expression.name}`, expression.text);
        return variable.value;
      }
      case 'chain':
        return this.#chain(expression, dot, [], []);
      case 'pipeline':
        return this.#pipeline(expression.pipeline, dot);
      case 'function':
        return this.#command([expression], dot, []);
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
      value = this.#field(value, field, expression.text, this.#options.maps?.has(before) === true);
      if (typeof value === 'function') {
        const args = last ? [...rest.map((argument) => this.#argument(argument, dot)), ...final] : [];
        value = this.#invoke(value as TemplateFunction, expression, args);
      } else if (last && (rest.length > 0 || final.length > 0)) {
        throw this.#failure(`${field} is not a method but has arguments`, expression.text);
      }
    });
    return value;
  }

  #field(value: unknown, field: string, text: string, lenient: boolean): unknown {
    if (value === null || value === undefined || value === MISSING) {
      if (this.#options.strict === true || value === MISSING)
        throw this.#failure(`nil data; no entry for key ${JSON.stringify(field)}`, text);
      throw this.#failure(`nil pointer evaluating interface {}.${field}`, text);
    }
    if (!isMap(value)) throw this.#failure(`can't evaluate field ${field} in type ${typeName(value)}`, text);
    if (field in value && (Object.hasOwn(value, field) || Object.getPrototypeOf(value) !== Object.prototype))
      return value[field];
    if (this.#options.strict === true && !lenient)
      throw this.#failure(`map has no entry for key ${JSON.stringify(field)}`, text);
    return MISSING;
  }

  #invoke(fn: TemplateFunction, expression: Expression, args: unknown[]): unknown {
    try {
      return fn(...args);
    } catch (error) {
      if (error instanceof TemplateRunError) {
        const name = expression.kind === 'function' ? expression.name : expression.text;
        throw this.#failure(`error calling ${name}: ${error.message}`, expression.text);
      }
      throw error;
    }
  }

  #failure(message: string, text: string): Error {
    const at = Math.max(0, this.#template.source.indexOf(text));
    const before = this.#template.source.slice(0, at);
    const line = before.split('\n').length;
    const column = at - (before.lastIndexOf('\n') + 1);
    return new Error(`template: :${line}:${column}: executing "" at <${text}>: ${message}`);
  }
}
