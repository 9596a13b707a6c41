import { PassThrough, type Readable } from 'node:stream';

/**
 * A request's body for a reader that may give it up in the middle. Destroying a request's own stream cuts the connection, and the client
 * never sees why; destroying this one lets the rest run out into nothing, and the answer arrives.
 */
export function upload(input: Readable): Readable {
  const output = new PassThrough();
  input.once('error', (error) => output.destroy(error));
  input.once('close', () => {
    if (!input.readableEnded) output.destroy(new Error('the client went away before the end of its request'));
  });
  output.once('close', () => {
    input.unpipe(output);
    input.resume();
  });
  // An error before anybody reads, or after.
  output.on('error', () => {});
  return input.pipe(output);
}
