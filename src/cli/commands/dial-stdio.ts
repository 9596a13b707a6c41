import { openStream } from '../../api/client/endpoint.ts';
import { defineCommand, noArgs } from '../command.ts';

/** The far end of an ssh:// connection: bytes from stdin to the engine's socket and back. */
export const command = defineCommand({
  use: '',
  summary: "Join stdin and stdout to the daemon's socket",
  flags: {},
  args: noArgs,
  async run(ctx) {
    const stream = openStream((await ctx.client()).endpoint);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    stream.on('data', (chunk: Buffer) => ctx.stdout.write(chunk));
    stream.on('end', resolve);
    stream.on('error', reject);
    process.stdin.pipe(stream);
    await promise;
  },
});
