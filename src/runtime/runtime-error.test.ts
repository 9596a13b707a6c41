import assert from 'node:assert/strict';
import { it } from 'node:test';
import { lastRuntimeError, runtimeFailure } from './runtime-error.ts';

const PREFIX = 'failed to create task for container: failed to create shim task: OCI runtime create failed: ';

it("gives runc's failures in Docker's words and with its exit codes", () => {
  const missing =
    'runc create failed: unable to start container process: exec: "foo": executable file not found in $PATH';
  assert.deepEqual(runtimeFailure(missing), { exitCode: 127, message: `${PREFIX}${missing}: unknown` });
  assert.equal(runtimeFailure('exec: "/etc": permission denied').exitCode, 126);
  assert.equal(runtimeFailure('exec: "/etc": is a directory').exitCode, 126);
  assert.equal(runtimeFailure('cgroup: device busy').exitCode, 125);
  const mount = runtimeFailure('mount /a to /b: not a directory');
  assert.equal(mount.exitCode, 127);
  assert.match(mount.message, /Are you trying to mount a directory onto a file/);
});

it("brings crun's wording to runc's", () => {
  assert.deepEqual(runtimeFailure('executable file `foo` not found in $PATH: No such file or directory', 'exec'), {
    exitCode: 127,
    message:
      'OCI runtime exec failed: exec failed: unable to start container process: exec: "foo": executable file not found in $PATH: unknown',
  });
  assert.deepEqual(runtimeFailure('open executable: Permission denied', 'create', '/x'), {
    exitCode: 126,
    message: `${PREFIX}crun create failed: unable to start container process: exec: "/x": permission denied: unknown`,
  });
  assert.match(
    runtimeFailure('write file `/proc/thread-self/attr/exec`: No such file or directory').message,
    /unable to apply apparmor profile: apparmor failed to apply profile: write \/proc\/thread-self\/attr\/exec: no such/,
  );
});

it('takes the last error of a log, past lines cut short', () => {
  const log = '{"level":"error","msg":"first"}\n{"level":"error","msg":"second"}\n{"level":"info","msg":"x"}\n{"lev';
  assert.equal(lastRuntimeError(log), 'second');
  assert.equal(lastRuntimeError(''), null);
});
