import test from 'ava';
import fc from '../property.js';
import { UsageError } from '../../core/index.js';
import { misspelledOrder } from '../../core/config/check.js';
import { orderPlugins } from '../../core/plugins/order.js';
import type { FoundPlugin } from '../../core/families/load.js';

function plugin(name: string, after: string[] = [], before: string[] = []) {
  return { options: { name, summary: '', after, before } };
}
const names = (plugins: { options: { name: string } }[]): string[] => plugins.map(({ options }) => options.name);

test('plugins without after and before keep their order', (t) => {
  t.deepEqual(names(orderPlugins([plugin('b'), plugin('a')])), ['b', 'a']);
});

test('after and before are respected, and absent names are ignored', (t) => {
  const sorted = orderPlugins([plugin('late', ['early', 'absent']), plugin('early'), plugin('first', [], ['early'])]);
  t.deepEqual(names(sorted), ['first', 'early', 'late']);
});

test('before * comes before all plugins without it', (t) => {
  const sorted = orderPlugins([
    plugin('a'),
    plugin('all', ['needed'], ['*']),
    plugin('needed'),
    plugin('b', [], ['all']),
  ]);
  t.deepEqual(names(sorted), ['needed', 'b', 'all', 'a']);
});

test('a cycle is an error that prints it', (t) => {
  const error = t.throws(() => orderPlugins([plugin('a', ['b']), plugin('b', ['c']), plugin('c', ['a'])]), {
    instanceOf: UsageError,
  });
  t.regex(error.message, /a after b after c after a/);
});

class Mine {
  readonly is = 'a plugin';
}

test('a misspelled plugin in after or before is warned about; an absent one is allowed', (t) => {
  const found = (name: string, after: string[], before: string[]): FoundPlugin => ({
    ...plugin(name, after, before),
    class: Mine,
    source: `${name}.ts`,
  });
  const plugins = [
    found('mine', ['evalution', 'evaluation', 'wandb'], ['yuors', '*']),
    found('yours', ['not-here'], []),
  ];
  t.deepEqual(misspelledOrder(plugins, ['evaluation', 'wandb']), [
    'plugin mine (mine.ts): after names "evalution", which is not a plugin; did you mean "evaluation"?',
    'plugin mine (mine.ts): before names "yuors", which is not a plugin; did you mean "yours"?',
  ]);
});

test('any acyclic after and before are respected, and no plugin is lost', (t) => {
  const wishes = fc.array(fc.tuple(fc.nat(9), fc.nat(9)), { maxLength: 30 });
  fc.assert(
    fc.property(wishes, fc.shuffledSubarray([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], { minLength: 10 }), (pairs, given) => {
      const acyclic = pairs.filter(([a, b]) => a < b);
      const after = (n: number): string[] => acyclic.filter(([, b]) => b === n).map(([a]) => `p${String(a)}`);
      const sorted = names(orderPlugins(given.map((n) => plugin(`p${String(n)}`, after(n)))));
      const at = (n: number): number => sorted.indexOf(`p${String(n)}`);
      return sorted.length === 10 && acyclic.every(([a, b]) => at(a) < at(b));
    }),
  );
  t.pass();
});
