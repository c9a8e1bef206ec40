import test from 'ava';
import fc from 'fast-check';
import type { StoredTensor, WeightSources } from '../../../core/index.js';
import { matchOptimizer, matchWeights } from '../../../core/run/match.js';
import { weightSources } from '../../../plugins/models/gpt/match.js';

type Tensors = Map<string, StoredTensor>;

function tensor(...shape: number[]): StoredTensor {
  const size = shape.reduce((product, side) => product * side, 1);
  return { shape, values: Float32Array.from({ length: size }, (_, i) => i) };
}
const named = (...entries: [string, number[]][]): Tensors =>
  new Map(entries.map(([name, shape]) => [name, tensor(...shape)]));

/** A model that finds its weights as `gpt` does. */
const gpt = (
  weights: Tensors,
): {
  description: Record<string, unknown>;
  parameters: () => Tensors;
  weightSources: (stored: Tensors) => WeightSources;
} => ({
  ...plain(weights),
  weightSources: (stored) => weightSources(stored, weights),
});
/** A model that says nothing of where its weights come from. */
const plain = (
  weights: Tensors,
  description: Record<string, unknown> = {},
): { description: Record<string, unknown>; parameters: () => Tensors } => ({ description, parameters: () => weights });

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
  const { found, skipped, fresh, misfits, mapped } = matchWeights(gpt(model), { weights: stored });
  t.deepEqual([...found.keys()].sort(), ['transformer.h.0.attn.c_attn.weight', 'transformer.wte.weight']);
  t.deepEqual(skipped, ['unknown']);
  t.deepEqual(fresh, ['transformer.h.0.attn.c_attn.lora_A']);
  t.deepEqual(misfits, []);
  t.is(mapped.length, 2);
});

test('a weight of another shape, or that is missing, is named; positions are cropped', (t) => {
  const model = named(['wpe.weight', [3, 2]], ['a', [2, 2]], ['b', [4]]);
  const { misfits, found } = matchWeights(gpt(model), { weights: named(['wpe.weight', [5, 2]], ['a', [2, 3]]) });
  t.deepEqual(misfits, ['a is [2,3] there and [2,2] here', 'b is missing there']);
  t.deepEqual([...(found.get('wpe.weight')?.values ?? [])], [0, 1, 2, 3, 4, 5]);
});

test('a model that does not say where its weights come from gets them by exact name and shape', (t) => {
  const stored = named(['a', [2]], ['_orig_mod.b', [2]], ['wpe.weight', [5, 2]]);
  const model = plain(named(['a', [2]], ['b', [2]], ['wpe.weight', [3, 2]]));
  const { found, skipped, misfits, mapped, fresh } = matchWeights(model, { weights: stored });
  t.deepEqual([...found.keys()], ['a']);
  t.deepEqual([skipped, mapped, fresh], [['_orig_mod.b'], [], []]);
  t.deepEqual(misfits, ['wpe.weight is [5,2] there and [3,2] here', 'b is missing there']);
});

test('settings that no shape shows are compared, but for those of dropout and of the vocabulary', (t) => {
  const here = { heads: 4, dropout: 0, attn_pdrop: 0, vocab_size: 9, only_here: 1 };
  const there = { heads: 2, dropout: 0.1, attn_pdrop: 0.1, vocab_size: 8, only_there: 1 };
  const { differences } = matchWeights(plain(named(), here), { weights: named(), model: there });
  t.deepEqual(differences, ['heads is 2 there and 4 here']);
});

test('the optimizer’s tensors and numbers come from where the weight does; a weight without any is fresh, whatever shape another had', (t) => {
  const owners = ['a', '_orig_mod.b.weight', 'old', 'c'];
  const tensors = named(
    ...owners.flatMap((name): [string, number[]][] => [
      [`${name}.exp_avg`, [2]],
      [`${name}.exp_avg_sq`, [2]],
    ]),
  );
  const weights = named(...owners.map((name): [string, number[]] => [name, [2]]), ['frozen', [2]]);
  const scalars = { step: 9, '_orig_mod.b.weight.step': 4, 'old.step': 3, 'c.step': 2, 'other.count': 1 };
  const parameters = named(['a', [2]], ['b.main_weight.weight', [2]], ['new', [2]], ['c', [3]], ['frozen', [2]]);
  const { sources } = matchWeights(gpt(parameters), { weights });
  const { found, scalars: numbers, fresh } = matchOptimizer({ tensors, scalars }, sources, parameters);
  t.deepEqual([...found.keys()].sort(), [
    'a.exp_avg',
    'a.exp_avg_sq',
    'b.main_weight.weight.exp_avg',
    'b.main_weight.weight.exp_avg_sq',
  ]);
  t.deepEqual(numbers, { step: 9, 'b.main_weight.weight.step': 4, 'other.count': 1 });
  t.deepEqual(fresh, ['new', 'c', 'frozen']);
});

test('positions are cropped in the optimizer’s state as in the weights', (t) => {
  const parameters = named(['transformer.wpe.weight', [2, 2]]);
  const { sources } = matchWeights(gpt(parameters), { weights: named(['transformer.wpe.weight', [3, 2]]) });
  const tensors = named(['transformer.wpe.weight.exp_avg', [3, 2]]);
  const { found } = matchOptimizer({ tensors, scalars: {} }, sources, parameters);
  t.deepEqual([...(found.get('transformer.wpe.weight.exp_avg')?.values ?? [])], [0, 1, 2, 3]);
});

test('what is stored under the model’s own names is found whole', (t) => {
  const shapes = fc.dictionary(
    fc.stringMatching(/^[a-z]{1,6}\.weight$/),
    fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 3 }),
    { maxKeys: 8 },
  );
  fc.assert(
    fc.property(shapes, (of) => {
      const weights = named(...Object.entries(of));
      for (const model of [gpt(weights), plain(weights)]) {
        const { found, skipped, misfits, mapped } = matchWeights(model, { weights });
        t.deepEqual(found, weights);
        t.deepEqual([skipped, misfits, mapped], [[], [], []]);
      }
    }),
  );
});
