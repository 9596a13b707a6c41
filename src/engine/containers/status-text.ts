import { humanDuration } from '../../api/units.ts';
import type { ContainerStateRecord } from '../container-record.ts';

export const NEVER = '0001-01-01T00:00:00Z';

/** The STATUS column of `docker ps`. `now`: milliseconds since the epoch. */
export function statusText(state: ContainerStateRecord, now: number): string {
  const since = (time: string) => humanDuration(now - Date.parse(time));
  switch (state.status) {
    case 'running': {
      const health = state.health?.status ?? 'none';
      const suffix = health === 'none' ? '' : ` (${health === 'starting' ? 'health: starting' : health})`;
      return `Up ${since(state.startedAt)}${suffix}`;
    }
    case 'paused':
      return `Up ${since(state.startedAt)} (Paused)`;
    case 'restarting':
      return `Restarting (${state.exitCode}) ${since(state.finishedAt)} ago`;
    case 'removing':
      return 'Removal In Progress';
    case 'dead':
      return 'Dead';
    case 'created':
      return 'Created';
    case 'exited':
      return state.finishedAt === NEVER ? '' : `Exited (${state.exitCode}) ${since(state.finishedAt)} ago`;
  }
}
