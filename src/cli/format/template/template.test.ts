import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Template } from './template.ts';

const run = (source: string, data: unknown = {}, strict = false): string =>
  new Template(source, { strict }).execute(data);

describe('Go templates', () => {
  const data = {
    Name: '/web',
    Count: 3,
    Ratio: 1.5,
    Empty: '',
    List: ['a', 'b', 'c'],
    Map: { z: 1, a: { b: 'deep' } },
    Nil: null,
    Label: (key: unknown) => `label-${key}`,
  };
  const cases: [string, string][] = [
    ['plain', 'plain'],
    ['{{.Name}}', '/web'],
    ['{{ .Map.a.b }}', 'deep'],
    ['{{json .List}}', '["a","b","c"]'],
    ['{{.List | json}}', '["a","b","c"]'],
    ['{{join .List ", "}}', 'a, b, c'],
    ['{{split "a:b" ":"}}', '[a b]'],
    ['{{lower "ABC"}}{{upper "abc"}}{{title "ab cd"}}', 'abcABCAb Cd'],
    ['{{pad "x" 2 1}}|', '  x |'],
    ['{{truncate "hello" 2}}', 'he'],
    ['{{println "a" 1}}', 'a 1\n'],
    ['{{print 1 2 "a" "b" 3}}', '1 2ab3'],
    ['{{printf "%-5s|%5d|%q|%v|%.2f|%x" "ab" 42 "q" .List .Ratio "hi"}}', 'ab   |   42|"q"|[a b c]|1.50|6869'],
    ['{{printf "%d" "x"}}', '%!d(string=x)'],
    ['{{if .Empty}}yes{{else}}no{{end}}', 'no'],
    ['{{if eq .Count 1 2 3}}yes{{end}}', 'yes'],
    ['{{if and .Name (gt .Count 2)}}both{{end}}', 'both'],
    ['{{if .Empty}}a{{else if .Name}}b{{else}}c{{end}}', 'b'],
    ['{{with .Map}}{{.z}}{{end}}', '1'],
    ['{{with .Nil}}x{{else}}none{{end}}', 'none'],
    ['{{range .List}}{{.}};{{end}}', 'a;b;c;'],
    ['{{range $i, $e := .List}}{{$i}}={{$e}} {{end}}', '0=a 1=b 2=c '],
    ['{{range $k, $v := .Map}}{{$k}} {{end}}', 'a z '],
    ['{{range .Nil}}x{{else}}empty{{end}}', 'empty'],
    ['{{range .List}}{{if eq . "b"}}{{break}}{{end}}{{.}}{{end}}', 'a'],
    ['{{range .List}}{{if eq . "b"}}{{continue}}{{end}}{{.}}{{end}}', 'ac'],
    ['{{index .List 1}}{{index .Map "a" "b"}}{{(index .Map "a").b}}', 'bdeepdeep'],
    ['{{len .List}}{{len .Name}}', '34'],
    ['{{slice .Name 1}}', 'web'],
    ['{{.Label "com.x"}}', 'label-com.x'],
    ['{{"com.x" | .Label}}', 'label-com.x'],
    ['{{$x := 1}}{{$x = 5}}{{$x}}', '5'],
    ['a {{- " b " -}} c', 'a b c'],
    ['a{{/* note */}}b', 'ab'],
    ['{{define "t"}}<{{.}}>{{end}}{{template "t" .Name}}', '</web>'],
    ['{{.Missing}}', '<no value>'],
    ['{{.Map}}', 'map[a:map[b:deep] z:1]'],
    ['{{.Nil}}', '<nil>'],
    ['{{`raw\\n`}}', 'raw\\n'],
    ['{{.Name | }}', '/web'],
    ['{{title "o\'neil foo-bar"}}', "O'Neil Foo-Bar"],
    ['{{printf "%#v" "a"}}', '"a"'],
    ['{{not true}}{{ne 1 2}}{{le 2 2}}', 'falsetruetrue'],
    ['{{$.Name}}{{range .List}}{{$.Count}}{{end}}', '/web333'],
  ];
  for (const [source, expected] of cases) {
    it(source, () => assert.equal(run(source, data), expected));
  }

  it('refuses a missing key when strict', () => {
    assert.throws(
      () => run('{{.Nope}}', data, true),
      /template: :1:2: executing "" at <\.Nope>: map has no entry for key "Nope"/,
    );
  });

  it('names what does not parse', () => {
    for (const bad of [
      '{{.Name',
      '{{if .X}}',
      '{{end}}',
      '{{nofunc .X}}',
      '{{range}}',
      '{{"open}}',
      '{{template x}}',
    ]) {
      assert.throws(() => new Template(bad), /^Error: template: :1: /, bad);
    }
  });

  it('names what does not run', () => {
    assert.throws(() => run('{{index .List 9}}', data), /error calling index: index out of range: 9/);
    assert.throws(() => run('{{.Name.x}}', data), /can't evaluate field x in type string/);
    assert.throws(
      () => run('{{define "a"}}{{template "a"}}{{end}}{{template "a"}}'),
      /exceeded maximum template depth/,
    );
  });

  /** Messages as text/template of Go 1.24 has them. */
  const messages: [string, string][] = [
    ['{{.Name}', `template: :1: bad character U+007D '}'`],
    ['{{.Name)}}', 'template: :1: unexpected right paren'],
    ['{{(.Name}}', 'template: :1: unclosed left paren'],
    ['{{#}}', 'template: :1: unexpected "#" in command'],
    ["{{'a}}", 'template: :1: unterminated character constant'],
    ['{{/* x', 'template: :1: unclosed comment'],
    ['{{/* x */ }}', 'template: :1: comment ends before closing delimiter'],
    ['{{template}}', 'template: :1: unexpected "}}" in template clause'],
    ['{{break}}', 'template: :1: {{break}} outside {{range}}'],
    ['{{$x}}', 'template: :1: undefined variable "$x"'],
    ['{{if true}}{{$x := 1}}{{end}}{{$x}}', 'template: :1: undefined variable "$x"'],
    ['{{"x".Foo}}', 'template: :1: unexpected . after term "\\"x\\""'],
    ['{{1 | 2}}', 'template: :1: non executable command in pipeline stage 2'],
    ['{{range $i, $j, $k := .List}}{{end}}', 'template: :1: too many declarations in range'],
    ['{{nil}}', 'template: :1:2: executing "" at <nil>: nil is not a command'],
    ['{{.Name.X}}', `template: :1:7: executing "" at <.Name.X>: can't evaluate field X in type string`],
    [
      '{{slice .Name 0 9}}',
      'template: :1:2: executing "" at <slice .Name 0 9>: error calling slice: index out of range: 9',
    ],
    ['{{range .Name}}{{end}}', `template: :1:8: executing "" at <.Name>: range can't iterate over /web`],
    ['{{lower 1}}', 'template: :1:8: executing "" at <1>: expected string; found 1'],
    ['{{lower .Count}}', 'template: :1:8: executing "" at <.Count>: wrong type for value; expected string; got int'],
    [
      '{{join .Name ","}}',
      'template: :1:7: executing "" at <.Name>: wrong type for value; expected []string; got string',
    ],
    ['{{split .Name}}', 'template: :1:2: executing "" at <split>: wrong number of args for split: want 2 got 1'],
    ['{{.Name "x"}}', 'template: :1:2: executing "" at <.Name>: wrong number of args for Name: want 0 got 1'],
    [
      '{{truncate .Name -1}}',
      'template: :1:2: executing "" at <truncate .Name -1>: error calling truncate: runtime error: slice bounds out of range [:-1]',
    ],
  ];
  for (const [source, message] of messages) {
    it(`says of ${source} what Go says`, () => assert.throws(() => run(source, data), { message }));
  }

  it('never crashes on damaged templates', () => {
    const whole = '{{range $i, $e := .List}}{{if eq $i 1}}{{printf "%s" $e}}{{else}}{{json .}}{{end}}{{end}}';
    for (let cut = 0; cut < whole.length; cut++) {
      try {
        run(whole.slice(0, cut), data);
      } catch (error) {
        assert.match(String(error), /template/);
      }
    }
  });
});
