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
      '{{.a | }}',
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
