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

test('the optimizer’s tensors go by name, then by shape from weights that are gone', (t) => {
  const stored = named(['a.exp_avg', [2]], ['a.exp_avg_sq', [2]], ['old.exp_avg', [3]], ['old.exp_avg_sq', [3]]);
  const { found, transferred, total } = matchOptimizer(stored, named(['a', [2]], ['new', [3]], ['other', [9]]));
  t.deepEqual([...found.keys()].sort(), ['a.exp_avg', 'a.exp_avg_sq', 'new.exp_avg', 'new.exp_avg_sq']);
  t.is(transferred, 2);
  t.is(total, 3);
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
