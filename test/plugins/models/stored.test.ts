import test from 'ava';
import type { StoredTensor } from '../../../core/index.js';
import { matchOptimizer, matchWeights, type WeightMatch } from '../../../plugins/models/weights/match.js';
import { weightSources } from '../../../plugins/models/gpt/stored.js';

type Tensors = Map<string, StoredTensor>;

function tensor(...shape: number[]): StoredTensor {
  const size = shape.reduce((product, side) => product * side, 1);
  return { shape, values: Float32Array.from({ length: size }, (_, i) => i) };
}
const named = (...entries: [string, number[]][]): Tensors =>
  new Map(entries.map(([name, shape]) => [name, tensor(...shape)]));

/** How stored weights match a GPT with these weights. */
const match = (weights: Tensors, stored: Tensors): WeightMatch =>
  matchWeights(
    { description: {}, parameters: () => weights, weightSources: (from) => weightSources(from, weights) },
    { weights: stored },
  );

test('wrappers’ prefixes are stripped, and a LoRA layer’s main weight is found by its plain name', (t) => {
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
  const { found, skipped, fresh, misfits, mapped } = match(model, stored);
  t.deepEqual([...found.keys()].sort(), ['transformer.h.0.attn.c_attn.weight', 'transformer.wte.weight']);
  t.deepEqual(skipped, ['unknown']);
  t.deepEqual(fresh, ['transformer.h.0.attn.c_attn.lora_A']);
  t.deepEqual(misfits, []);
  t.is(mapped.length, 2);
});

test('missing weights and other shapes are named; positions are cropped', (t) => {
  const model = named(['wpe.weight', [3, 2]], ['a', [2, 2]], ['b', [4]]);
  const { misfits, found } = match(model, named(['wpe.weight', [5, 2]], ['a', [2, 3]]));
  t.deepEqual(misfits, ['a is [2,3] there and [2,2] here', 'b is missing there']);
  t.deepEqual([...(found.get('wpe.weight')?.values ?? [])], [0, 1, 2, 3, 4, 5]);
});

test('positions are cropped in the optimizer’s state as in the weights', (t) => {
  const parameters = named(['transformer.wpe.weight', [2, 2]]);
  const { sources } = match(parameters, named(['transformer.wpe.weight', [3, 2]]));
  const tensors = named(['transformer.wpe.weight.exp_avg', [3, 2]]);
  const { found } = matchOptimizer({ tensors, scalars: {} }, sources, parameters);
  t.deepEqual([...(found.get('transformer.wpe.weight.exp_avg')?.values ?? [])], [0, 1, 2, 3]);
});
