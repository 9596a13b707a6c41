import type { ContainerStateRecord, ContainerStatus } from '../container-record.ts';

/**
 * Every way a container's state may go. A start that fails leaves the state as it was, so it has no edge of its own;
 * `gone` is a container that is in no list any more.
 */
export const EDGES: Readonly<Record<ContainerStatus, readonly (ContainerStatus | 'gone')[]>> = {
  // start; rm
  created: ['running', 'removing'],
  // pause; the process ends; it ends and a restart policy waits to start it again
  running: ['paused', 'exited', 'restarting'],
  // unpause; killed while frozen
  paused: ['running', 'exited', 'restarting'],
  // the back-off has passed; stopped by the user meanwhile, or the new start failed for good
  restarting: ['running', 'exited'],
  // start; rm
  exited: ['running', 'removing'],
  // all gone; something could not be removed
  removing: ['gone', 'dead'],
  // rm again
  dead: ['removing'],
};

/** Moves along a listed edge; a step that is not listed is a bug of the caller and throws. */
export function move(state: ContainerStateRecord, to: ContainerStatus): void {
  if (!EDGES[state.status].includes(to)) throw new Error(`a container cannot go from ${state.status} to ${to}`);
  state.status = to;
}
