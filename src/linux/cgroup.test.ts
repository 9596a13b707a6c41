import assert from 'node:assert/strict';
import { it } from 'node:test';
import { detectCgroups } from './cgroup.ts';

const V1 = `cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,nosuid,cpu,cpuacct 0 0
cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0
cgroup /sys/fs/cgroup/systemd cgroup rw,name=systemd 0 0
`;

it('finds v1 hierarchies, joined ones by each name', () => {
  const cgroups = detectCgroups(V1, () => null);
  assert.equal(cgroups.mode, 'v1');
  assert.equal(cgroups.directory('cpuacct', '/gantry/x'), '/sys/fs/cgroup/cpu,cpuacct/gantry/x');
  assert.equal(cgroups.directory('pids', '/gantry/x'), null);
});

it('tells a v2 mount that holds controllers beside v1 from an empty one', () => {
  const mounts = `${V1}cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n`;
  assert.equal(detectCgroups(mounts, () => '\n').unifiedHoldsControllers, false);
  const held = detectCgroups(mounts, () => 'hugetlb\n');
  assert.deepEqual([held.mode, held.unifiedHoldsControllers], ['hybrid', true]);
  assert.equal(held.directory('memory', '/a'), '/sys/fs/cgroup/memory/a');
});

it('uses the one hierarchy of v2 for every controller', () => {
  const cgroups = detectCgroups('cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n', () => 'cpu io memory pids\n');
  assert.equal(cgroups.mode, 'v2');
  assert.equal(cgroups.directory('freezer', '/a'), '/sys/fs/cgroup/a');
  assert.ok(cgroups.controllers.has('io'));
});
