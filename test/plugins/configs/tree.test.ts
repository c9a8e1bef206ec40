import test from 'ava';
import fc from '../../property.js';
import { eachLeaf, isSection, valueAt, pathKey } from '../../../core/config/composed.js';
import { flatten, merge, treeOf, type Section } from '../../../plugins/configs/layers/tree.js';

// Outside `plugins` and the slots, whose short forms have rules of their own.
const key = fc.constantFrom('a', 'b', 'c.d', 'constructor');
const leaf = fc.oneof(fc.integer(), fc.string(), fc.boolean(), fc.array(fc.integer(), { maxLength: 3 }));
const { section } = fc.letrec<{ section: Record<string, unknown>; value: unknown }>((tie) => ({
  value: fc.oneof({ maxDepth: 3 }, leaf, tie('section')),
  section: fc.array(fc.tuple(key, tie('value')), { maxLength: 3 }).map((entries) => Object.fromEntries(entries)),
}));

function layer(value: Record<string, unknown>, source = 'x'): Section {
  return treeOf(value, { originOf: () => ({ source }) });
}

function merged(...values: Record<string, unknown>[]): Record<string, unknown> {
  return flatten(values.map((value, i) => layer(value, String(i))).reduce((under, over) => merge(under, over))).value;
}

test('later wins: every leaf of the later layer is in the result, unless it is an empty section', (t) => {
  fc.assert(
    fc.property(section, section, (under, over) => {
      const result = merged(under, over);
      eachLeaf(over, (path, value) => {
        const found = valueAt(result, path);
        t.is(found.depth, path.length);
        if (isSection(value)) t.true(isSection(found.value));
        else t.deepEqual(found.value, value);
      });
    }),
  );
});

test('what the later layer does not mention stays', (t) => {
  fc.assert(
    fc.property(section, section, (under, over) => {
      const result = merged(under, over);
      eachLeaf(under, (path, value) => {
        const said = valueAt(over, path);
        if (said.depth === path.length || !isSection(said.value) || isSection(value)) return;
        t.deepEqual(valueAt(result, path).value, value);
      });
    }),
  );
});

test('an empty layer changes nothing', (t) => {
  fc.assert(
    fc.property(section, (a) => {
      t.deepEqual(merged(a, {}), a);
      t.deepEqual(merged({}, a), a);
    }),
  );
});

test('every leaf of a merged config has an origin, that of the last layer that sets it', (t) => {
  fc.assert(
    fc.property(fc.array(section, { minLength: 1, maxLength: 4 }), (values) => {
      const trees = values.map((value, i) => layer(value, String(i)));
      const { value, origins } = flatten(trees.reduce((under, over) => merge(under, over)));
      eachLeaf(value, (path) => {
        if (path.length === 0) return;
        const setting = values.findLastIndex((one) => valueAt(one, path).depth === path.length);
        t.is(origins.get(pathKey(path))?.source, String(setting));
      });
    }),
  );
});

test('lists replace', (t) => {
  t.deepEqual(merged({ a: [1, 2, 3] }, { a: [4] }), { a: [4] });
});

test('the short form of a slot is its long form', (t) => {
  t.deepEqual(merged({ engine: 'wasm', batches: 'sequential', data: { tokenizer: 'char' } }), {
    engine: { use: 'wasm' },
    batches: { strategy: 'sequential' },
    data: { tokenizer: { use: 'char' } },
  });
  t.deepEqual(merged({ model: 'gpt' }, { model: { n_layer: 2 } }), { model: { use: 'gpt', n_layer: 2 } });
});

test('another plugin in a slot drops the options of the one before', (t) => {
  t.deepEqual(merged({ batches: { strategy: 'curriculum', alpha: 1 } }, { batches: 'random' }), {
    batches: { strategy: 'random' },
  });
  t.deepEqual(merged({ model: { n_layer: 2 } }, { model: { use: 'other', depth: 1 } }), {
    model: { use: 'other', depth: 1 },
  });
});

test('naming the same plugin again, the default one included, keeps its options', (t) => {
  t.deepEqual(merged({ model: { n_layer: 2 } }, { model: 'gpt' }), { model: { use: 'gpt', n_layer: 2 } });
});

test('other data keeps the tokenizer', (t) => {
  t.deepEqual(merged({ data: { text: 'a', tokenizer: 'bpe' } }, { data: { use: 'web', url: 'b' } }), {
    data: { tokenizer: { use: 'bpe' }, use: 'web', url: 'b' },
  });
});

test('true turns a plugin on and keeps its options; null and false turn it off, options and all', (t) => {
  const on = { plugins: { evaluation: { interval: 5 } } };
  t.deepEqual(merged(on, { plugins: { evaluation: true } }), on);
  t.deepEqual(merged(on, { plugins: { evaluation: false } }), { plugins: { evaluation: false } });
  t.deepEqual(merged(on, { plugins: { evaluation: null } }, { plugins: { evaluation: true } }), {
    plugins: { evaluation: {} },
  });
});

test('a section left empty at the top says nothing', (t) => {
  t.deepEqual(merged({ train: { max_iters: 5 } }, { train: null }), { train: { max_iters: 5 } });
});
