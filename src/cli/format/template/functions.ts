import {
  compare,
  equal,
  format,
  isMap,
  MISSING,
  sprintf,
  TemplateRunError,
  toJson,
  truth,
  typeName,
} from './values.ts';

export type TemplateFunction = (...args: unknown[]) => unknown;

/** fmt.Sprint: a space between operands when neither is a string. */
function sprint(args: unknown[]): string {
  let text = '';
  args.forEach((value, index) => {
    if (index > 0 && typeof value !== 'string' && typeof args[index - 1] !== 'string') text += ' ';
    text += format(value);
  });
  return text;
}

function need(name: string, args: unknown[], least: number, most = least): void {
  if (args.length < least || args.length > most) {
    const want =
      most === least ? `${least}` : most === Number.POSITIVE_INFINITY ? `at least ${least}` : `${least} to ${most}`;
    throw new TemplateRunError(`wrong number of args for ${name}: want ${want} got ${args.length}`);
  }
}

function index(container: unknown, ...keys: unknown[]): unknown {
  let value = container;
  for (const key of keys) {
    if (value === null || value === undefined || value === MISSING) throw new TemplateRunError('index of untyped nil');
    if (Array.isArray(value) || typeof value === 'string') {
      if (typeof key !== 'number') throw new TemplateRunError(`cannot index slice/array with type ${typeName(key)}`);
      if (key < 0 || key >= value.length) throw new TemplateRunError(`index out of range: ${key}`);
      value = typeof value === 'string' ? value.charCodeAt(key) : value[key];
    } else if (isMap(value)) {
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
  if (isMap(value)) return Object.keys(value).length;
  throw new TemplateRunError(
    value === null || value === MISSING ? 'len of nil pointer' : `len of type ${typeName(value)}`,
  );
}

function eq(first: unknown, ...others: unknown[]): boolean {
  if (others.length === 0) throw new TemplateRunError('missing argument for comparison');
  return others.some((other) => equal(first, other));
}

const HTML: Record<string, string> = { '<': '&lt;', '>': '&gt;', '&': '&amp;', "'": '&#39;', '"': '&#34;' };

/** Go's built-in functions (text/template, "Functions"); `and` and `or` are in the executor, which evaluates them lazily. */
const BUILTINS: Record<string, TemplateFunction> = {
  not: (value) => !truth(value),
  len: (...args) => {
    need('len', args, 1);
    return length(args[0]);
  },
  index,
  slice,
  print: (...args) => sprint(args),
  println: (...args) => `${args.map(format).join(' ')}\n`,
  printf: (pattern, ...args) => sprintf(format(pattern), args),
  eq,
  ne: (...args) => {
    need('ne', args, 2);
    return !equal(args[0], args[1]);
  },
  lt: (a, b) => compare(a, b) < 0,
  le: (a, b) => compare(a, b) <= 0,
  gt: (a, b) => compare(a, b) > 0,
  ge: (a, b) => compare(a, b) >= 0,
  html: (...args) => sprint(args).replace(/[<>&'"]/g, (character) => HTML[character]!),
  urlquery: (...args) => encodeURIComponent(sprint(args)).replaceAll('%20', '+'),
  js: (...args) =>
    JSON.stringify(sprint(args))
      .slice(1, -1)
      .replaceAll("'", "\\'")
      .replaceAll('<', '\\u003C')
      .replaceAll('>', '\\u003E'),
  call: (fn, ...args) => {
    if (typeof fn !== 'function') throw new TemplateRunError(`non-function of type ${typeName(fn)}`);
    return (fn as TemplateFunction)(...args);
  },
};

/** What Docker adds for --format (docker/cli, "Formatting"). */
const DOCKER: Record<string, TemplateFunction> = {
  json: (...args) => {
    need('json', args, 1);
    return toJson(args[0]);
  },
  join: (list, separator) => {
    if (!Array.isArray(list))
      throw new TemplateRunError(`wrong type for value; expected []string; got ${typeName(list)}`);
    return list.map(format).join(format(separator));
  },
  split: (text, separator) => format(text).split(format(separator)),
  lower: (text) => format(text).toLowerCase(),
  upper: (text) => format(text).toUpperCase(),
  title: (text) =>
    format(text).replace(
      /(^|[^\p{L}\p{N}_'])(\p{L})/gu,
      (_whole, before: string, letter: string) => before + letter.toUpperCase(),
    ),
  pad: (text, before, after) =>
    format(text) === '' ? '' : ' '.repeat(Number(before)) + format(text) + ' '.repeat(Number(after)),
  truncate: (text, size) => [...format(text)].slice(0, Number(size)).join(''),
};

export const FUNCTIONS: ReadonlyMap<string, TemplateFunction> = new Map(Object.entries({ ...BUILTINS, ...DOCKER }));
