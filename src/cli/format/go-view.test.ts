import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatInspected } from './inspect.ts';

const container = {
  Id: 'abc',
  State: { Status: 'running', Pid: 7 },
  Config: { Env: null, Labels: { z: '1', a: '<b>' } },
  HostConfig: {
    Binds: null,
    Dns: null,
    LogConfig: { Type: 'json-file', Config: {} },
    RestartPolicy: { Name: 'no', MaximumRetryCount: 0 },
    PortBindings: { '80/tcp': [{ HostIp: '', HostPort: '8080' }] },
  },
  NetworkSettings: { Ports: { '80/tcp': null } },
  Mounts: [{ Type: 'bind', Source: '/a', Destination: '/b', Mode: 'ro', RW: false, Propagation: 'rprivate' }],
};
const image = { Id: 'sha256:1', RepoTags: [], RootFS: { Type: 'layers' }, Config: {} };

describe('inspected objects in templates', () => {
  // As docker 28.2.2 prints them.
  const cases: [object, string, string][] = [
    [container, '{{.Mounts}}', '[{bind  /a /b  ro false rprivate}]'],
    [container, '{{.HostConfig.Binds}} {{len .HostConfig.Binds}} {{json .HostConfig.Binds}}', '[] 0 null'],
    [container, '{{.HostConfig.RestartPolicy}} {{.HostConfig.LogConfig}}', '{no 0} {json-file map[]}'],
    [container, '{{.HostConfig.PortBindings}} {{.NetworkSettings.Ports}}', 'map[80/tcp:[{ 8080}]] map[80/tcp:[]]'],
    [container, '{{if .State.Health}}yes{{else}}no{{end}} {{.State}}', 'no {running 7 <nil>}'],
    [container, '{{json .State}}', '{"Status":"running","Pid":7}'],
    [container, '{{json .Config.Labels}} {{.Config.Labels.none}}', '{"a":"<b>","z":"1"} <no value>'],
    [container, '{{.ID}} {{.HostConfig.DNS}} {{.HostConfig.Init}} {{.SizeRw}}', 'abc [] <nil> <nil>'],
    [container, '{{.Id}} {{range $name, $value := .State}}{{$name}},{{end}}', 'abc Pid,Status,'],
    [image, '{{.Config.Cmd}} {{.Config.Labels}} {{.Config.ExposedPorts}}|{{.Parent}}|', '[] map[] map[]||'],
  ];
  for (const [object, template, expected] of cases) {
    it(template, () => assert.equal(formatInspected([object], template), `${expected}\n`));
  }

  it('says of a field that is nowhere what docker says', () => {
    assert.throws(() => formatInspected([container], '{{.State.Nope}}'), {
      message: 'template parsing error: template: :1:8: executing "" at <.State.Nope>: map has no entry for key "Nope"',
    });
  });
});
