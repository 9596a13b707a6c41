import { GantryError } from '../../api/errors.ts';
import type { NetworkDriver, NetworkState } from '../contract.ts';

/** "host" and "null": one network each, which is there without anybody making it, and no interfaces. */
export class PlainDriver implements NetworkDriver {
  readonly name: string;
  readonly ownSubnets = false;

  constructor(name: 'host' | 'null') {
    this.name = name;
  }

  prepare(): void {
    throw new GantryError('forbidden', `only one instance of "${this.name}" network is allowed`);
  }

  add(record: NetworkState['record']): NetworkState {
    return { record, interfaceName: '', index: 0, mtu: 0, own: false };
  }

  remove(): void {}

  connect(): string {
    throw new GantryError('invalid_parameter', `a container cannot have an interface on a "${this.name}" network`);
  }

  routesByInterface(): boolean {
    return false;
  }
}
