import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FlagError, parseFlags } from './parse.ts';
import { bool, int, list, string, uint } from './spec.ts';

const specs = {
  all: bool('a', ''),
  detach: bool('d', ''),
  env: list('e', ''),
  name: string('n', ''),
  proxy: bool('', '', true),
  tail: int('t', ''),
  weight: uint('', '', 16),
};
const parse = (line: string, interspersed = true) => parseFlags(specs, line.split(' ').filter(Boolean), interspersed);

function message(line: string): string {
  try {
    parse(line);
  } catch (error) {
    assert.ok(error instanceof FlagError);
    return error.message;
  }
  throw new Error(`${line} was taken`);
}

test('values stand behind a space, behind = or right behind the letter', () => {
  for (const line of ['--name x', '--name=x', '-n x', '-nx', '-n=x']) {
    assert.equal(parse(line).values.name, 'x', line);
    assert.deepEqual([...parse(line).changed], ['name']);
  }
  assert.equal(parse('--name=').values.name, '');
  assert.equal(parse('--name=a=b').values.name, 'a=b');
  assert.equal(parse('--name --all').values.name, '--all');
});

test('short flags share a word; the last one may take the rest as its value', () => {
  const { values } = parse('-adnfoo');
  assert.deepEqual([values.all, values.detach, values.name], [true, true, 'foo']);
  assert.equal(parse('-adn foo').values.name, 'foo');
});

test('booleans take a value only behind =', () => {
  assert.equal(parse('--proxy=false').values.proxy, false);
  assert.equal(parse('-a=0').values.all, false);
  const { values, args } = parse('--all false');
  assert.deepEqual([values.all, args], [true, ['false']]);
});

test('lists grow, other flags keep the last value', () => {
  const { values } = parse('-e a -e b,c --name x --name y');
  assert.deepEqual([values.env, values.name], [['a', 'b,c'], 'y']);
});

test('a default is not part of a list that was given', () => {
  assert.deepEqual(parse('').values.env, []);
  assert.deepEqual(specs.env.default, []);
});

test('flags may stand between words, unless the first word ends them', () => {
  assert.deepEqual(parse('x -a y').args, ['x', 'y']);
  const container = parse('-a image -d --nope', false);
  assert.deepEqual([container.args, container.values.detach], [['image', '-d', '--nope'], false]);
});

test('-- ends the flags, - is a word', () => {
  const { args, dash } = parse('x -- -a --name');
  assert.deepEqual([args, dash], [['x', '-a', '--name'], 1]);
  assert.deepEqual(parse('- -a').args, ['-']);
});

test('help stops the reading', () => {
  assert.equal(parse('--help --nope').help, '--help');
  assert.equal(parse('-h').help, '-h');
});

test('mistakes are told in the words of pflag', () => {
  assert.equal(message('--nope'), 'unknown flag: --nope');
  assert.equal(message('-adz'), "unknown shorthand flag: 'z' in -z");
  assert.equal(message('-azd'), "unknown shorthand flag: 'z' in -zd");
  assert.equal(message('--name'), 'flag needs an argument: --name');
  assert.equal(message('-an'), "flag needs an argument: 'n' in -n");
  assert.equal(message('---x'), 'bad flag syntax: ---x');
  assert.equal(
    message('--all=x'),
    'invalid argument "x" for "-a, --all" flag: strconv.ParseBool: parsing "x": invalid syntax',
  );
  assert.equal(
    message('-t 1.5'),
    'invalid argument "1.5" for "-t, --tail" flag: strconv.ParseInt: parsing "1.5": invalid syntax',
  );
  assert.equal(
    message('--weight 70000'),
    'invalid argument "70000" for "--weight" flag: strconv.ParseUint: parsing "70000": value out of range',
  );
  assert.equal(
    message('--weight -1'),
    'invalid argument "-1" for "--weight" flag: strconv.ParseUint: parsing "-1": invalid syntax',
  );
});

test('names that every object has are no flags', () => {
  assert.equal(message('--constructor'), 'unknown flag: --constructor');
});

test('numbers may be octal or hexadecimal, as in Go', () => {
  assert.equal(parse('-t 010').values.tail, 8);
  assert.equal(parse('-t 0x10').values.tail, 16);
  assert.equal(parse('-t=-3').values.tail, -3);
});
