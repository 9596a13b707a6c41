import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ImageConfig } from '../../api/schemas/image.ts';
import { applyChanges } from './changes.ts';
import { mergeConfig } from './image-config.ts';

test('each instruction sets its field', () => {
  const base: ImageConfig = { Env: ['PATH=/bin', 'A=old'], WorkingDir: '/srv', Labels: { keep: 'yes' } };
  const config = applyChanges(base, [
    'CMD ["a", "b c"]',
    'entrypoint run $HOME',
    'ENV A=new B="two words" C=$A',
    'ENV OLD the rest of it',
    'LABEL x=1 y="$PATH:/sbin"',
    'EXPOSE 80 53/udp 8000-8002',
    'VOLUME ["/data", "/logs"]',
    'VOLUME /more',
    'USER me:us',
    'WORKDIR sub/../app',
    'STOPSIGNAL SIGINT',
    'ONBUILD RUN make',
    'HEALTHCHECK --interval=1m30s --retries=4 CMD curl -f /',
  ]);
  assert.deepEqual(config, {
    Env: ['PATH=/bin', 'A=new', 'B=two words', 'C=old', 'OLD=the rest of it'],
    WorkingDir: '/srv/app',
    Labels: { keep: 'yes', x: '1', y: '/bin:/sbin' },
    Cmd: ['a', 'b c'],
    Entrypoint: ['/bin/sh', '-c', 'run $HOME'],
    ExposedPorts: { '80/tcp': {}, '53/udp': {}, '8000/tcp': {}, '8001/tcp': {}, '8002/tcp': {} },
    Volumes: { '/data': {}, '/logs': {}, '/more': {} },
    User: 'me:us',
    StopSignal: 'SIGINT',
    OnBuild: ['RUN make'],
    Healthcheck: { Interval: 90_000_000_000, Retries: 4, Test: ['CMD-SHELL', 'curl -f /'] },
  });
  assert.deepEqual(base.Env, ['PATH=/bin', 'A=old'], 'the given config stays as it was');
});

test('SHELL holds for the shell forms after it', () => {
  assert.deepEqual(applyChanges({}, ['SHELL ["/bin/bash", "-c"]', 'CMD x']).Cmd, ['/bin/bash', '-c', 'x']);
});

test('words expand as in a Dockerfile', () => {
  const value = (word: string) => applyChanges({ Env: ['A=x', 'E='] }, [`LABEL v=${word}`]).Labels!.v;
  for (const [word, expected] of [
    ['$A', 'x'],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: Dockerfile syntax
    ['${A}y', 'xy'],
    ['"$A b"', 'x b'],
    ["'$A'", '$A'],
    ['\\$A', '$A'],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: Dockerfile syntax
    ['${E:-d}', 'd'],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: Dockerfile syntax
    ['${E-d}', ''],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: Dockerfile syntax
    ['${U:-${A}}', 'x'],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: Dockerfile syntax
    ['${A:+set}', 'set'],
    ['$U', ''],
    ['"a\\"b"', 'a"b'],
  ] as const) {
    assert.equal(value(word), expected, word);
  }
});

test('what commit does not take is refused by name', () => {
  for (const [line, message] of [
    ['RUN x', 'RUN is not a valid change command'],
    ['ENV A', 'ENV must have two arguments'],
    ['EXPOSE 99999', 'invalid containerPort: 99999'],
    ['HEALTHCHECK --interval=1h', 'HEALTHCHECK requires at least one argument'],
    ['ONBUILD FROM x', "FROM isn't allowed as an ONBUILD trigger"],
    ['SHELL bash', 'SHELL requires the arguments to be in JSON form'],
    ['USER', 'USER requires exactly one argument'],
  ] as const) {
    assert.throws(() => applyChanges({}, [line]), { code: 'invalid_parameter', message });
  }
});

test('a merge keeps what the user said and fills the rest in', () => {
  const image: ImageConfig = { Env: ['A=1', 'B=2'], Cmd: ['sh'], Entrypoint: ['/e'], Labels: { a: '1' }, User: 'u' };
  const merged = mergeConfig({ Env: ['A=mine'], Labels: { b: '2' } }, image);
  assert.deepEqual(merged.Env, ['A=mine', 'B=2']);
  assert.deepEqual(merged.Cmd, ['sh']);
  assert.deepEqual(merged.Entrypoint, ['/e']);
  assert.deepEqual(merged.Labels, { a: '1', b: '2' });
  assert.equal(merged.User, 'u');
  // A new entrypoint without a command does not get the image's command.
  assert.equal(mergeConfig({ Entrypoint: ['/mine'] }, image).Cmd, undefined);
});
