import { notSupportedYet } from '../../api/errors.ts';
import type { VolumeDriver } from './contract.ts';
import type { LocalDriver } from './local-driver.ts';

/** The volume drivers of this engine by name. */
export class VolumeDrivers {
  readonly #local: LocalDriver;

  constructor(local: LocalDriver) {
    this.#local = local;
  }

  /** Throws not_supported for drivers other than local. */
  async get(name: string): Promise<VolumeDriver> {
    if (name === '' || name === this.#local.name) return this.#local;
    throw notSupportedYet(`volume driver ${name}`);
  }
}
