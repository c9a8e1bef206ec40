import test from 'ava';
import fc from '../../property.js';
import { parse, stringify } from 'yaml';
import { pathKey } from '../../../core/config/composed.js';
import { readYaml, YamlFault } from '../../../plugins/configs/reading/yaml.js';
import { compose, yaml } from './helpers.js';

function fault(text: string): string {
  try {
    readYaml(text);
  } catch (thrown) {
    if (thrown instanceof YamlFault) return `${String(thrown.line)}: ${thrown.message}`;
    throw thrown;
  }
  return 'no fault';
}

test('merge keys lay their maps under the own keys, the first named on top', (t) => {
  const text = ['a: &a { x: 1, y: 1 }', 'b: &b { x: 2, z: 2 }', 'c:', '  <<: [*a, *b]', '  y: 3', 'd: { <<: *a }'];
  const { value, lines } = readYaml(text.join('\n'));
  t.like(value, { c: { x: 1, z: 2, y: 3 }, d: { x: 1, y: 1 } });
  t.is(lines.get('c.z'), 2);
  t.is(lines.get('c.y'), 5);
  t.deepEqual(readYaml('<<: { seed: 4 }\nmodel: {}').value, { seed: 4, model: {} });
  t.deepEqual(readYaml('"<<": 1').value, { '<<': 1 });
});

test('a scalar that is no text is kept as it was written, also through an alias', (t) => {
  const { texts } = readYaml('a: &n 0012\nb: [1e3, x, ~]\nc: *n\n007: "5"\nd: # none\n');
  t.deepEqual(Object.fromEntries(texts), { a: '0012', 'b.0': '1e3', 'b.2': '~', c: '0012' });
  t.is(Reflect.get(Object(readYaml('007: "5"').value), '007'), '5');
});

const faults: [string, RegExp][] = [
  ['a: 1\na: 2', /^2: Map keys must be unique: "a" is in line 1 already$/],
  ['a: 1\nb: !env RUN', /^2: the tag !env is not supported; .* process\.env$/],
  ['a: !!binary aGk=', /^1: the tag !!binary is not supported/],
  ['a: !!int five', /^1: "five" does not match its tag !!int$/],
  ['a: &a\n  b: *a', /^2: an alias is inside the value it refers to/],
  ['a: &a { b: 1, <<: *a }', /^1: an alias is inside/],
  ['a:\n  <<: 5', /^2: << merges a map/],
  ['a: *later\nb: &later 1', /^1: Unresolved alias/],
  ['a: 1\n---\nb: 1', /^2: it contains several documents/],
  ['a:\n\tb: 1', /^2: Tabs are not allowed as indentation; indent with spaces$/],
  ['a: @home', /^1: .*; put the value in quotes$/],
  ['a: one: two', /^1: .*; put text that holds ": " in quotes$/],
  ['? [a]\n: 1', /^1: a key must be a name/],
  [': 1', /^1: a key is empty/],
  ['['.repeat(100_000), /^(undefined|1): /],
];
for (const [text, message] of faults) {
  test(`the fault of ${JSON.stringify(text.slice(0, 30))} has its line`, (t) => {
    t.regex(fault(text), message);
  });
}

test('aliases that expand without bound are refused at once', (t) => {
  const levels = Array.from(
    { length: 12 },
    (_, i) => `l${String(i + 1)}: &l${String(i + 1)} [${`*l${String(i)},`.repeat(10)}]`,
  );
  t.regex(fault(['l0: &l0 [x]', ...levels].join('\n')), /expand to more than 100000 values$/);
});

test('what has no anchors, tags or merges reads as the library reads it', (t) => {
  const scalar = fc.oneof(fc.string(), fc.integer(), fc.double({ noNaN: true }), fc.boolean(), fc.constant(null));
  const key = fc.string({ minLength: 1 }).filter((name) => name !== '<<' && name !== '__proto__');
  const { map } = fc.letrec<{ map: unknown; value: unknown }>((tie) => ({
    value: fc.oneof({ maxDepth: 3 }, scalar, fc.array(tie('value'), { maxLength: 3 }), tie('map')),
    map: fc.dictionary(key, tie('value'), { maxKeys: 4 }),
  }));
  fc.assert(
    fc.property(map, (value) => {
      const text = stringify(value);
      t.deepEqual(readYaml(text).value, parse(text));
    }),
  );
});

test('a file that an alias makes hold itself, or that has several documents, is refused with its name', async (t) => {
  const message = async (...lines: string[]): Promise<string> =>
    (await t.throwsAsync(compose(t, yaml(...lines)))).message;
  t.regex(
    await message('plugins: &p', '  samples: *p'),
    /^espalier\.config\.yaml:2: not valid YAML: an alias is inside/,
  );
  t.regex(await message('seed: 1', '---', 'seed: 2'), /^espalier\.config\.yaml:2: not valid YAML: it contains several/);
});

test('keys at the top that start with x- are none, and other keys with anchors are shown how to be', async (t) => {
  const composed = await compose(t, yaml('x-base: &b { interval: 2 }', 'plugins: { samples: *b }'));
  t.deepEqual(composed.value, { plugins: { samples: { interval: 2 } } });
  const { origins } = await compose(t, yaml('base: &b { interval: 2 }', 'plugins: { samples: *b }'));
  t.true(origins.get(pathKey(['base']))?.anchor);
  t.is(origins.get('plugins')?.anchor, undefined);
});

test('a package.json may repeat keys that are not the config’s', async (t) => {
  const file = (section: string): Record<string, string> => ({
    'package.json': `{ "a": 1, "a": 2, "espalier": ${section} }`,
  });
  t.deepEqual((await compose(t, file('{ "seed": 5 }'))).value, { seed: 5 });
  await t.throwsAsync(compose(t, file('{ "seed": 5, "seed": 6 }')), { message: /^package\.json:1: .*"seed"/ });
});
