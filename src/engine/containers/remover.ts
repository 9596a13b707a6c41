import { rmSync } from 'node:fs';
import { GantryError, messageOf } from '../../api/errors.ts';
import type { EngineContext } from '../context.ts';
import type { Execs } from '../exec/execs.ts';
import type { Links } from '../links/links.ts';
import type { Container } from './container.ts';
import type { ContainerIndex } from './container-index.ts';
import type { ContainersDeps, RemoveOptions } from './contract.ts';
import type { Launcher } from './launcher.ts';
import type { Lifecycle } from './lifecycle.ts';
import { move } from './state-machine.ts';

/** Removes containers with all that is theirs. */
export class Remover {
  readonly #context: EngineContext;
  readonly #deps: ContainersDeps;
  readonly #index: ContainerIndex;
  readonly #lifecycle: Lifecycle;
  readonly #launcher: Launcher;
  readonly #links: Links;
  readonly #execs: Execs;

  constructor(
    context: EngineContext,
    deps: ContainersDeps,
    parts: { index: ContainerIndex; lifecycle: Lifecycle; launcher: Launcher; links: Links; execs: Execs },
  ) {
    this.#context = context;
    this.#deps = deps;
    this.#index = parts.index;
    this.#lifecycle = parts.lifecycle;
    this.#launcher = parts.launcher;
    this.#links = parts.links;
    this.#execs = parts.execs;
  }

  /** Throws conflict when it runs (unless forced) or is being removed already. `reference`: as the user named it. */
  async remove(container: Container, options: RemoveOptions, reference = container.id): Promise<void> {
    if (options.link) {
      await this.#links.remove(reference);
      return;
    }
    if (container.removing) {
      throw new GantryError('conflict', `removal of container ${reference} is already in progress`);
    }
    this.#checkStopped(container, options.force);
    container.removing = true;
    try {
      await container.lock.run(async () => {
        if (this.#index.get(container.id) !== container) return;
        // A start may have come before us in the lock's queue.
        this.#checkStopped(container, options.force);
        await this.#lifecycle.killForRemoval(container);
        await this.finish(container, options.volumes);
      });
    } finally {
      container.removing = false;
    }
  }

  /** --rm: with its anonymous volumes, whatever happens. */
  async autoRemove(container: Container): Promise<void> {
    try {
      await this.remove(container, { force: true, volumes: true, link: false });
    } catch (error) {
      if (error instanceof GantryError && error.code === 'conflict') return;
      this.#context.log.error('could not remove a container started with --rm', {
        container: container.id,
        error: messageOf(error),
      });
    }
  }

  /**
   * Takes everything of a container that does not run away, the record last: a crash in between leaves a record in the state
   * `removing`, which start-up hands in here again.
   */
  async finish(container: Container, volumes: boolean): Promise<void> {
    const { record } = container;
    const { state } = record;
    const exitCode = state.exitCode;
    if (state.status !== 'removing') move(state, 'removing');
    container.keep('durable');
    try {
      await this.#launcher.release(container);
      await this.#context.storage.writable.remove(container.id);
      rmSync(container.directory, { recursive: true, force: true });
    } catch (cause) {
      move(state, 'dead');
      state.error = messageOf(cause);
      container.keep('durable');
      const message = `container ${container.id}: unable to remove filesystem: ${messageOf(cause)}`;
      throw new GantryError('system', message, { cause });
    }
    await this.#deps.volumes.release(record, volumes);
    container.erase();
    this.#index.delete(container);
    this.#context.networks.keepAddresses(container.id, {});
    this.#links.gone(container);
    this.#execs.forget(container);
    container.cancelAttaches();
    await this.#deps.images.releaseLayers(record);
    container.event('destroy');
    container.waiters.removed({ statusCode: exitCode, error: null });
  }

  #checkStopped(container: Container, force: boolean): void {
    if (force) return;
    const { status } = container.record.state;
    const prefix = `cannot remove container "/${container.name}": container is`;
    if (status === 'paused') throw new GantryError('conflict', `${prefix} paused and must be unpaused first`);
    if (status === 'running' || status === 'restarting') {
      throw new GantryError('conflict', `${prefix} ${status}: stop the container before removing or force remove`);
    }
  }
}
