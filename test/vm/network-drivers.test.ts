/** The suite of test/integration/network-drivers.test.ts, with a kernel that has ipvlan, VLANs and dummy interfaces. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RouteSocket } from '../../src/linux/netlink/route.ts';
import '../integration/network-drivers.test.ts';

test('the machine is what this lane is for', () => {
  const routes = new RouteSocket();
  for (const kind of ['macvlan', 'ipvlan', 'vlan'] as const) {
    // The parent is none; a kernel without the kind says so first.
    assert.throws(
      () => routes.addStacked({ kind, name: 'gtprobe', mode: 1, parent: 0x7fffffff }),
      (error) => {
        assert.notEqual((error as { code?: string }).code, 'EOPNOTSUPP', kind);
        return true;
      },
    );
  }
  routes.close();
});
