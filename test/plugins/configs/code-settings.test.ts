import test from 'ava';
import fc from '../../property.js';
import { CodeFault, plainSettings } from '../../../plugins/configs/reading/code-settings.js';
import { UsageError } from '../../../core/errors.js';
import { compose } from './helpers.js';

test('plain settings come out as they are, whatever they share', (t) => {
  const value = fc.jsonValue().filter((each) => typeof each === 'object' && each !== null);
  fc.assert(
    fc.property(value, (each) => {
      t.deepEqual(plainSettings({ a: each, b: each }), { a: each, b: each });
    }),
  );
});

test('anything else ends at once, with the key', (t) => {
  const odd = fc.anything({ withBigInt: true, withDate: true, withMap: true, withSet: true, withTypedArray: true });
  fc.assert(
    fc.property(odd, fc.boolean(), (each, isCyclic) => {
      const config: Record<string, unknown> = { a: [each] };
      if (isCyclic) config['self'] = { config };
      try {
        const plain = plainSettings(config);
        t.false(isCyclic);
        t.notThrows(() => JSON.stringify(plain));
      } catch (thrown) {
        t.true(thrown instanceof CodeFault);
      }
    }),
  );
});

const exported: [string, string, RegExp][] = [
  ['null', 'export default null;', /^c\.ts exports null; export a config/],
  ['undefined', 'export default undefined;', /^c\.ts exports undefined/],
  ['nothing', 'export const seed = 1;', /^c\.ts has no default export/],
  ['a promise', 'export default Promise.resolve({});', /^c\.ts: the default export: it is a promise/],
  ['a function', 'export default () => ({});', /^c\.ts: the default export: it is a function; call it.*$/],
  ['a class', 'export default class A {}', /^c\.ts: the default export: it is a class/],
  ['a date', 'export default new Date(0);', /^c\.ts: the default export: it is an object of the class Date/],
  ['a list', 'export default [];', /^c\.ts holds a list/],
  ['a BigInt', 'export default { seed: 3n };', /^c\.ts: key seed: it is the BigInt 3n; write a number, 3,/],
  ['NaN', 'export default { model: { n_embd: NaN } };', /^c\.ts: key model\.n_embd: it is NaN/],
  ['itself', 'const a: any = {}; a.b = { a }; export default a;', /^c\.ts: key b\.a: it is the whole config/],
  [
    'no end',
    'let a: any = {}; for (let i = 0; i < 60; i++) a = { a, b: a }; export default a;',
    /more than 100000 values/,
  ],
  ['a throw', '\nthrow new Error("boom");', /^c\.ts:2 failed to load: boom$/],
  ['a fault of syntax', '\n\nexport default { a: ] };', /^c\.ts:3 failed to load: ParseError/],
  ['a getter that throws', 'export default { get a() { throw new Error("no"); } };', /^c\.ts could not be read: no$/],
];
for (const [what, text, message] of exported) {
  test(`a config of code that exports ${what} is refused with its name`, async (t) => {
    const error = await t.throwsAsync(compose(t, { 'c.ts': text }, { configFile: 'c.ts' }), { instanceOf: UsageError });
    t.regex(error.message, message);
  });
}
