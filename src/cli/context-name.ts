import type { Context } from './command.ts';

/** The context in use by Docker's order: --host, --context, a host variable, the context variables, the configuration file, "default". */
export function contextName(ctx: Pick<Context, 'global' | 'env' | 'config'>): string {
  const { global, env } = ctx;
  if (global.context !== '') return global.context;
  if (global.host.length > 0 || env.GANTRY_HOST || env.DOCKER_HOST) return 'default';
  return env.GANTRY_CONTEXT || env.DOCKER_CONTEXT || ctx.config().currentContext || 'default';
}
