import { spawnSync } from 'node:child_process';
import { after, before, describe } from 'node:test';
import { testConfinement } from '../support/confinement.ts';
import { testLimits } from '../support/limits.ts';
import { type LimitsMachine, startLimitsMachine } from '../support/limits-machine.ts';

for (const runtime of ['crun', 'runc']) {
  const missing = spawnSync(runtime, ['--version']).error === undefined ? false : `${runtime} is not installed`;
  describe(`with ${runtime}`, { skip: missing }, () => {
    let machine: LimitsMachine;
    before(async () => {
      machine = await startLimitsMachine(runtime);
    });
    after(() => machine?.daemon[Symbol.asyncDispose]());

    testLimits(() => machine);
    testConfinement(() => machine);
  });
}
