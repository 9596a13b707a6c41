import {
  compare,
  equal,
  format,
  isMap,
  MISSING,
  sprintf,
  TemplateRunError,
  TYPE,
  toJson,
  truth,
  typeName,
} from './values.ts';

/** What a parameter takes; `any` is every value. */
export type Parameter = 'any' | 'string' | 'int' | '[]string';

export interface TemplateFunction {
  readonly params: readonly Parameter[];
  /** Type of any number of further arguments. */
  readonly rest?: Parameter;
  // biome-ignore lint/suspicious/noExplicitAny: the executor checks the arguments against `params`
  readonly call: (...args: any[]) => unknown;
}

/** A function that takes any values: `least` of them, and more where `variadic`. */
const plain = (least: number, variadic: boolean, call: TemplateFunction['call']): TemplateFunction => ({
  params: Array.from({ length: least }, () => 'any' as const),
  ...(variadic ? { rest: 'any' as const } : {}),
  call,
});

/** fmt.Sprint: a space between operands when neither is a string. */
function sprint(args: unknown[]): string {
  let text = '';
  args.forEach((value, index) => {
    if (index > 0 && typeof value !== 'string' && typeof args[index - 1] !== 'string') text += ' ';
    text += format(value);
  });
  return text;
}

function index(container: unknown, ...keys: unknown[]): unknown {
  let value = container;
  for (const key of keys) {
    if (value === null || value === undefined || value === MISSING) throw new TemplateRunError('index of untyped nil');
    if (Array.isArray(value) || typeof value === 'string') {
      if (typeof key !== 'number') throw new TemplateRunError(`cannot index slice/array with type ${typeName(key)}`);
      if (key < 0 || key >= value.length) throw new TemplateRunError(`index out of range: ${key}`);
      value = typeof value === 'string' ? value.charCodeAt(key) : value[key];
    } else if (isMap(value) && !(TYPE in value)) {
      if (typeof key !== 'string') throw new TemplateRunError(`value has type ${typeName(key)}; should be string`);
      // The zero value of the map's element type, which JSON does not tell: strings print as nothing.
      value = Object.hasOwn(value, key) ? value[key] : MISSING;
    } else throw new TemplateRunError(`can't index item of type ${typeName(value)}`);
  }
  return value === MISSING ? '' : value;
}

function slice(item: unknown, ...bounds: unknown[]): unknown {
  if (typeof item !== 'string' && !Array.isArray(item))
    throw new TemplateRunError(`can't slice item of type ${typeName(item)}`);
  const [from = 0, to = item.length] = bounds as number[];
  for (const bound of [from, to]) {
    if (typeof bound !== 'number') throw new TemplateRunError(`cannot index slice/array with type ${typeName(bound)}`);
    if (bound < 0 || bound > item.length) throw new TemplateRunError(`index out of range: ${bound}`);
  }
  if (from > to) throw new TemplateRunError(`invalid slice index: ${from} > ${to}`);
  return item.slice(from, to);
}

function length(value: unknown): number {
  if (typeof value === 'string') return Buffer.byteLength(value);
  if (Array.isArray(value)) return value.length;
  if (isMap(value) && !(TYPE in value)) return Object.keys(value).length;
  const nil = value === null || value === undefined || value === MISSING;
  throw new TemplateRunError(nil ? 'len of nil pointer' : `len of type ${typeName(value)}`);
}

function eq(first: unknown, ...others: unknown[]): boolean {
  if (others.length === 0) throw new TemplateRunError('missing argument for comparison');
  return others.some((other) => equal(first, other));
}

const HTML: Record<string, string> = { '<': '&lt;', '>': '&gt;', '&': '&amp;', "'": '&#39;', '"': '&#34;' };

/** Go's built-in functions (text/template, "Functions"); `and` and `or` are in the executor, which evaluates them lazily. */
const BUILTINS: Record<string, TemplateFunction> = {
  not: plain(1, false, (value) => !truth(value)),
  len: plain(1, false, length),
  index: plain(1, true, index),
  slice: plain(1, true, slice),
  print: plain(0, true, (...args) => sprint(args)),
  println: plain(0, true, (...args) => `${args.map(format).join(' ')}\n`),
  printf: { params: ['string'], rest: 'any', call: (pattern: string, ...args) => sprintf(pattern, args) },
  eq: plain(1, true, eq),
  ne: plain(2, false, (a, b) => !equal(a, b)),
  lt: plain(2, false, (a, b) => compare(a, b) < 0),
  le: plain(2, false, (a, b) => compare(a, b) <= 0),
  gt: plain(2, false, (a, b) => compare(a, b) > 0),
  ge: plain(2, false, (a, b) => compare(a, b) >= 0),
  html: plain(0, true, (...args) => sprint(args).replace(/[<>&'"]/g, (character) => HTML[character]!)),
  urlquery: plain(0, true, (...args) => encodeURIComponent(sprint(args)).replaceAll('%20', '+')),
  js: plain(0, true, (...args) =>
    JSON.stringify(sprint(args))
      .slice(1, -1)
      .replaceAll("'", "\\'")
      .replaceAll('<', '\\u003C')
      .replaceAll('>', '\\u003E'),
  ),
  call: plain(1, true, (fn, ...args) => {
    if (typeof fn !== 'function') throw new TemplateRunError(`non-function of type ${typeName(fn)}`);
    return fn(...args);
  }),
};

/** What Docker adds for --format (docker/cli, "Formatting"). */
const DOCKER: Record<string, TemplateFunction> = {
  json: plain(1, false, toJson),
  join: {
    params: ['[]string', 'string'],
    call: (list: unknown[], separator: string) => list.map(format).join(separator),
  },
  split: { params: ['string', 'string'], call: (text: string, separator: string) => text.split(separator) },
  lower: { params: ['string'], call: (text: string) => text.toLowerCase() },
  upper: { params: ['string'], call: (text: string) => text.toUpperCase() },
  title: {
    params: ['string'],
    call: (text: string) =>
      text.replace(
        /(^|[^\p{L}\p{N}_])(\p{L})/gu,
        (_whole, before: string, letter: string) => before + letter.toUpperCase(),
      ),
  },
  pad: {
    params: ['string', 'int', 'int'],
    call: (text: string, before: number, after: number) =>
      text === '' ? '' : ' '.repeat(Math.max(0, before)) + text + ' '.repeat(Math.max(0, after)),
  },
  truncate: {
    params: ['string', 'int'],
    call: (text: string, size: number) => {
      if (size < 0) throw new TemplateRunError(`runtime error: slice bounds out of range [:${size}]`);
      return [...text].slice(0, size).join('');
    },
  },
};

export const FUNCTIONS: ReadonlyMap<string, TemplateFunction> = new Map(Object.entries({ ...BUILTINS, ...DOCKER }));

/** In a table's header the functions leave the columns' titles as they are; join and split do, too. */
export const HEADER_FUNCTIONS: ReadonlyMap<string, TemplateFunction> = new Map([
  ...FUNCTIONS,
  ...['json', 'title', 'lower', 'upper'].map((name): [string, TemplateFunction] => [name, plain(1, false, (v) => v)]),
  ...['split', 'join', 'truncate'].map((name): [string, TemplateFunction] => [name, plain(2, false, (v) => v)]),
]);
