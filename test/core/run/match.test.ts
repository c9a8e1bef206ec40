import test from 'ava';
import fc from 'fast-check';
import type { StoredTensor } from '../../../core/index.js';
import { matchOptimizer, matchWeights } from '../../../core/run/match.js';

function tensor(...shape: number[]): StoredTensor {
  const size = shape.reduce((product, side) => product * side, 1);
  return { shape, values: Float32Array.from({ length: size }, (_, i) => i) };
}
const named = (...entries: [string, number[]][]): Map<string, StoredTensor> =>
  new Map(entries.map(([name, shape]) => [name, tensor(...shape)]));

test('wrappers’ prefixes are stripped first, and a LoRA layer’s main weight goes by the plain name', (t) => {
  const stored = named(
    ['_orig_mod.module.transformer.h.0.attn.c_attn.main_weight.weight', [2, 6]],
    ['_orig_mod.transformer.wte.weight', [5, 2]],
    ['unknown', [1]],
  );
  const model = named(
    ['transformer.h.0.attn.c_attn.weight', [2, 6]],
    ['transformer.h.0.attn.c_attn.lora_A', [2, 1]],
    ['transformer.wte.weight', [5, 2]],
  );
  const { found, skipped, fresh, misfits, mapped } = matchWeights(stored, model);
  t.deepEqual([...found.keys()].sort(), ['transformer.h.0.attn.c_attn.weight', 'transformer.wte.weight']);
  t.deepEqual(skipped, ['unknown']);
  t.deepEqual(fresh, ['transformer.h.0.attn.c_attn.lora_A']);
  t.deepEqual(misfits, []);
  t.is(mapped.length, 2);
});

test('a weight of another shape, or that is missing, is named; positions are cropped', (t) => {
  const model = named(['wpe.weight', [3, 2]], ['a', [2, 2]], ['b', [4]]);
  const { misfits, found } = matchWeights(named(['wpe.weight', [5, 2]], ['a', [2, 3]]), model);
  t.deepEqual(misfits, ['a is [2,3] there and [2,2] here', 'b is missing there']);
  t.deepEqual([...(found.get('wpe.weight')?.values ?? [])], [0, 1, 2, 3, 4, 5]);
});

test('the optimizer’s tensors and numbers go by name; a weight without any is fresh, whatever shape another had', (t) => {
  const tensors = named(
    ...['a', '_orig_mod.b.weight', 'old', 'c'].flatMap((name): [string, number[]][] => [
      [`${name}.exp_avg`, [2]],
      [`${name}.exp_avg_sq`, [2]],
    ]),
  );
  const scalars = { step: 9, '_orig_mod.b.weight.step': 4, 'old.step': 3, 'c.step': 2, 'other.count': 1 };
  const parameters = named(['a', [2]], ['b.main_weight.weight', [2]], ['new', [2]], ['c', [3]]);
  const { found, scalars: numbers, fresh } = matchOptimizer({ tensors, scalars }, parameters);
  t.deepEqual([...found.keys()].sort(), [
    'a.exp_avg',
    'a.exp_avg_sq',
    'b.main_weight.weight.exp_avg',
    'b.main_weight.weight.exp_avg_sq',
  ]);
  t.deepEqual(numbers, { step: 9, 'b.main_weight.weight.step': 4, 'other.count': 1 });
  t.deepEqual(fresh, ['new', 'c']);
});

test('what is stored under the model’s own names is found whole', (t) => {
  const shapes = fc.dictionary(
    fc.stringMatching(/^[a-z]{1,6}\.weight$/),
    fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 3 }),
    { maxKeys: 8 },
  );
  fc.assert(
    fc.property(shapes, (of) => {
      const stored = named(...Object.entries(of));
      const { found, skipped, misfits, mapped } = matchWeights(stored, stored);
      t.deepEqual(found, stored);
      t.deepEqual([skipped, misfits, mapped], [[], [], []]);
    }),
  );
});
