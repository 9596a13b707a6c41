import { GantryError } from '../../../api/errors.ts';
import type { RestartPolicy } from '../../../api/schemas/host-config.ts';

/** Throws invalid_parameter for an unknown policy and for a retry count where it has no meaning. */
export function checkRestartPolicy(policy: RestartPolicy): void {
  const name: string = policy.Name ?? '';
  const count = policy.MaximumRetryCount ?? 0;
  switch (name) {
    case '':
      return;
    case 'always':
    case 'unless-stopped':
    case 'no':
      if (count === 0) return;
      throw invalid(
        `maximum retry count can only be used with 'on-failure'${count < 0 ? ' and cannot be negative' : ''}`,
      );
    case 'on-failure':
      if (count >= 0) return;
      throw invalid('maximum retry count cannot be negative');
    default:
      throw invalid(`unknown policy '${name}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`);
  }
}

/** True for a policy that never restarts. */
export function isNoRestart(policy: RestartPolicy | undefined): boolean {
  return policy === undefined || policy.Name === undefined || policy.Name === '' || policy.Name === 'no';
}

function invalid(why: string): GantryError {
  return new GantryError('invalid_parameter', `invalid restart policy: ${why}`);
}
