import { GantryError } from '../../api/errors.ts';

export interface SecurityOptions {
  /** Profile name, or '' when none was named. */
  appArmor: string;
  /** '' for the daemon's, 'unconfined', 'builtin', or a profile's JSON text. */
  seccomp: string;
  noNewPrivileges: boolean;
  /** SELinux labels as given; kept for inspect, without effect where SELinux is off. */
  labels: string[];
}

/**
 * Reads HostConfig.SecurityOpt ("name=value", or the older "name:value"). Throws invalid_parameter for what it does not
 * know.
 */
export function parseSecurityOptions(options: readonly string[], noNewPrivileges: boolean): SecurityOptions {
  const result: SecurityOptions = { appArmor: '', seccomp: '', noNewPrivileges, labels: [] };
  for (const option of options) {
    if (option === 'no-new-privileges') {
      result.noNewPrivileges = true;
      continue;
    }
    if (option === 'disable') {
      result.labels.push(option);
      continue;
    }
    const separator = option.includes('=') ? '=' : ':';
    const at = option.indexOf(separator);
    if (at < 0) throw invalid(1, option);
    const value = option.slice(at + 1);
    switch (option.slice(0, at)) {
      case 'label':
        result.labels.push(value);
        break;
      case 'apparmor':
        result.appArmor = value;
        break;
      case 'seccomp':
        result.seccomp = value;
        break;
      case 'no-new-privileges':
        result.noNewPrivileges = boolean(value, option);
        break;
      case 'writable-cgroups':
        throw new GantryError('not_supported', 'security option writable-cgroups is not supported yet');
      default:
        throw invalid(2, option);
    }
  }
  return result;
}

function boolean(value: string, option: string): boolean {
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(value)) return true;
  if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(value)) return false;
  throw invalid(2, option);
}

function invalid(kind: 1 | 2, option: string): GantryError {
  return new GantryError('invalid_parameter', `invalid --security-opt ${kind}: ${JSON.stringify(option)}`);
}
