import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import type { TSchema } from 'typebox';
import { GantryError, messageOf } from '../../api/errors.ts';
import type { BodyReader } from './conform.ts';

/** Bytes. The largest sensible body is a create request with a full environment (ARG_MAX is 2 MiB). */
const MAX_JSON_BODY = 8 * 1024 * 1024;

/**
 * The JSON body of a route that has a schema; {} for a missing one. Throws invalid_parameter, too_large. The checks and their
 * messages are Docker's: content type, end of input, trailing data.
 */
export async function readJsonBody(
  schema: TSchema,
  headers: IncomingHttpHeaders,
  input: Readable,
  reader: BodyReader,
): Promise<unknown> {
  const chunked = headers['transfer-encoding'] !== undefined;
  const length = Number(headers['content-length'] ?? 0);
  const type = headers['content-type'] ?? '';
  if (!chunked && length === 0 && type === '') return {};
  const isJson = (type.split(';')[0] ?? '').trim().toLowerCase() === 'application/json';
  if (!isJson) {
    throw new GantryError(
      'invalid_parameter',
      type.trim() === ''
        ? `malformed Content-Type header (${type}): mime: no media type`
        : `unsupported Content-Type header (${type}): must be 'application/json'`,
    );
  }
  if (!chunked && length === 0) return {};
  const text = await readText(input, length);
  if (text.trim() === '') {
    throw new GantryError('invalid_parameter', 'invalid JSON: got EOF while reading request body');
  }
  return reader.read(schema, parse(text));
}

async function readText(input: Readable, expected: number): Promise<string> {
  const tooLarge = () =>
    new GantryError('too_large', `http: request body too large: more than ${MAX_JSON_BODY} bytes of JSON`);
  if (expected > MAX_JSON_BODY) throw tooLarge();
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of input.iterator({ destroyOnReturn: false })) {
    size += (chunk as Buffer).length;
    if (size > MAX_JSON_BODY) throw tooLarge();
    chunks.push(chunk as Buffer);
  }
  return (chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)).toString();
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const message = messageOf(cause);
    if (message.includes('after JSON')) throw new GantryError('invalid_parameter', 'unexpected content after JSON');
    // V8 names the place; what ends too early is told as Go tells it.
    const place = /at position (\d+)/.exec(message)?.[1];
    if (message.includes('end of JSON input') || (place !== undefined && Number(place) >= text.trimEnd().length)) {
      throw new GantryError('invalid_parameter', 'invalid JSON: unexpected EOF', { cause });
    }
    throw new GantryError('invalid_parameter', `invalid JSON: ${inDockersWords(message, text)}`, { cause });
  }
}

/** Where V8's parser stops and what Go's encoding/json says there. */
const SYNTAX: [RegExp, string][] = [
  [/^Expected (double-quoted )?property name/, 'looking for beginning of object key string'],
  [/^Expected ':' after property name/, 'after object key'],
  [/^Expected ',' or '}'/, 'after object key:value pair'],
  [/^Expected ',' or ']'/, 'after array element'],
  [/^Bad control character/, 'in string literal'],
  [/^Bad escaped character/, 'in string escape code'],
  [/^Unexpected token/, 'looking for beginning of value'],
];

/** Tools match on Docker's message for a syntax error, which is Go's; what has no counterpart stays as V8 puts it. */
function inDockersWords(message: string, text: string): string {
  const why = SYNTAX.find(([pattern]) => pattern.test(message))?.[1];
  const position = / at position (\d+)/.exec(message)?.[1];
  const character = position === undefined ? /^Unexpected token '(.)'/su.exec(message)?.[1] : text[Number(position)];
  return why === undefined || character === undefined ? message : `invalid character '${character}' ${why}`;
}
