/**
 * Splits a body into the JSON values that stand in it one per line (events, stats, progress, pull). `parse` reads one, for those who
 * need more than JSON.parse keeps.
 */
export async function* jsonStream<T>(
  body: AsyncIterable<Buffer>,
  parse: (text: string) => unknown = (text) => JSON.parse(text),
): AsyncGenerator<T> {
  let rest = '';
  const decoder = new TextDecoder();
  for await (const chunk of body) {
    rest += decoder.decode(chunk, { stream: true });
    let newline = rest.indexOf('\n');
    while (newline >= 0) {
      const line = rest.slice(0, newline).trim();
      rest = rest.slice(newline + 1);
      if (line !== '') yield* parseLine<T>(line, parse);
      newline = rest.indexOf('\n');
    }
  }
  if (rest.trim() !== '') yield* parseLine<T>(rest.trim(), parse);
}

// Some engines end values with no newline: `}{` on one line.
function* parseLine<T>(line: string, parse: (text: string) => unknown): Generator<T> {
  try {
    yield parse(line) as T;
    return;
  } catch (error) {
    const parts = line.split(/(?<=\})(?=\{)/);
    if (parts.length < 2) throw error;
    for (const part of parts) yield parse(part) as T;
  }
}
