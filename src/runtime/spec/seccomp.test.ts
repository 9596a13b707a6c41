import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_CAPABILITIES } from './capabilities.ts';
import { customSeccomp, defaultSeccomp } from './seccomp.ts';
import type { OciSeccomp } from './types.ts';

const plain = { capabilities: DEFAULT_CAPABILITIES, arch: 'amd64', kernel: [6, 1] as [number, number] };
const rules = (profile: OciSeccomp, name: string) => profile.syscalls.filter((rule) => rule.names.includes(name));

test('the default profile depends on capabilities', () => {
  const without = defaultSeccomp(plain);
  assert.equal(without.defaultErrnoRet, 1);
  assert.deepEqual(without.architectures, ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32']);
  assert.deepEqual(rules(without, 'mount'), []);
  assert.deepEqual(rules(without, 'clone3'), [{ names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: 38 }]);
  assert.equal(rules(without, 'clone')[0]!.args![0]!.op, 'SCMP_CMP_MASKED_EQ');
  const admin = defaultSeccomp({ ...plain, capabilities: ['CAP_SYS_ADMIN'] });
  assert.equal(rules(admin, 'mount').length, 1);
  assert.deepEqual(
    rules(admin, 'clone3').map((rule) => rule.action),
    ['SCMP_ACT_ALLOW'],
  );
});

test('and on processor and kernel', () => {
  const s390 = defaultSeccomp({ ...plain, arch: 's390x' });
  assert.equal(rules(s390, 'clone')[0]!.args![0]!.index, 1);
  assert.equal(rules(s390, 's390_pci_mmio_read').length, 1);
  assert.equal(rules(defaultSeccomp({ ...plain, arch: 'arm64' }), 'arch_prctl').length, 0);
  assert.equal(rules(defaultSeccomp({ ...plain, kernel: [4, 7] }), 'ptrace').length, 0);
  assert.equal(rules(defaultSeccomp({ ...plain, kernel: [4, 8] }), 'ptrace').length, 1);
});

test('socket families: no vsock, no kernel crypto', () => {
  const allowed = (family: number) =>
    rules(defaultSeccomp(plain), 'socket').some(({ args }) =>
      args![0]!.op === 'SCMP_CMP_LT' ? family < args![0]!.value : family === args![0]!.value,
    );
  for (const family of [1, 2, 10, 16, 17]) assert.ok(allowed(family), String(family));
  for (const family of [38, 40]) assert.ok(!allowed(family), String(family));
});

test('a profile of the user', () => {
  const json = JSON.stringify({
    defaultAction: 'SCMP_ACT_ALLOW',
    architectures: ['SCMP_ARCH_X86_64'],
    syscalls: [
      { name: 'chmod', action: 'SCMP_ACT_ERRNO', args: null },
      { names: ['chown'], action: 'SCMP_ACT_ERRNO', includes: { caps: ['CAP_BPF'] } },
    ],
  });
  assert.deepEqual(customSeccomp(json, plain), {
    defaultAction: 'SCMP_ACT_ALLOW',
    architectures: ['SCMP_ARCH_X86_64'],
    syscalls: [{ names: ['chmod'], action: 'SCMP_ACT_ERRNO' }],
  });
  const twice = { syscalls: [{ name: 'chmod', names: ['fchmod'], action: 'SCMP_ACT_ERRNO' }] };
  assert.throws(() => customSeccomp(JSON.stringify({ defaultAction: 'SCMP_ACT_ALLOW', ...twice }), plain), {
    message: /'name' and 'names' were specified in the seccomp profile, use either/,
  });
  assert.throws(() => customSeccomp('[', plain), { code: 'invalid_parameter', message: /^Decoding seccomp profile/ });
});
