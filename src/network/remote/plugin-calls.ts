import { GantryError, messageOf } from '../../api/errors.ts';
import { PluginComplaint } from '../../plugins/plugin-client.ts';
import type { Plugins } from '../../plugins/plugins.ts';

export interface CallChoices {
  /** A plugin that does not listen is waited for: it may be starting. */
  wait?: boolean;
  /** One that is new to us either is there or is not: it is not waited for until it comes. */
  isNew?: boolean;
  /** A plugin need not know the method: an answer 404 is as good as an empty one. */
  optional?: boolean;
}

/** Calls of one kind to one plugin. It is found and activated at the first call, and again after one that did not reach it. */
export class PluginCalls {
  readonly name: string;
  readonly #plugins: Plugins;
  readonly #subsystem: string;

  /** @param subsystem what the plugin must implement, and the first part of its methods' names */
  constructor(name: string, plugins: Plugins, subsystem: 'NetworkDriver' | 'IpamDriver') {
    this.name = name;
    this.#plugins = plugins;
    this.#subsystem = subsystem;
  }

  /** Waits until it is there. */
  async reach(): Promise<void> {
    await this.#plugins.get(this.name, this.#subsystem, { retry: true, appear: true });
  }

  /** Throws PluginComplaint for what the plugin says, other errors where it could not be asked. */
  async call(method: string, body: object | null, choices: CallChoices = {}): Promise<Record<string, unknown>> {
    const options = { retry: choices.wait === true, appear: choices.wait === true && choices.isNew !== true };
    const client = await this.#plugins.get(this.name, this.#subsystem, options).catch((cause: unknown) => {
      // Not a word about the call itself.
      throw cause instanceof PluginComplaint ? new GantryError('system', cause.message, { cause }) : cause;
    });
    try {
      return await client.call(`${this.#subsystem}.${method}`, body, options);
    } catch (error) {
      if (!(error instanceof PluginComplaint)) {
        this.#plugins.forget(this.name);
        throw error;
      }
      if (choices.optional === true && error.answerStatus === 404) return {};
      if (error.answerStatus !== 200) throw error;
      throw new PluginComplaint(`remote: ${error.message}`, error.answerStatus);
    }
  }
}

/** Whether the plugin was not asked or has not answered: it may know nothing of the call. */
export function unanswered(error: unknown): boolean {
  return !(error instanceof PluginComplaint);
}

/** `what` failed; keeps the code. */
export function failed(what: string, cause: unknown): GantryError {
  const code = cause instanceof GantryError ? cause.code : 'system';
  return new GantryError(code, `${what}: ${messageOf(cause)}`, { cause });
}
