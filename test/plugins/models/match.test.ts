import test from 'ava';
import fc from '../../property.js';
import type { Model, StoredTensor, WeightSource } from '../../../core/index.js';
import { matchOptimizer, matchWeights } from '../../../plugins/models/weights/match.js';

type Tensors = Map<string, StoredTensor>;

function tensor(...shape: number[]): StoredTensor {
  const size = shape.reduce((product, side) => product * side, 1);
  return { shape, values: Float32Array.from({ length: size }, (_, i) => i) };
}
const named = (...entries: [string, number[]][]): Tensors =>
  new Map(entries.map(([name, shape]) => [name, tensor(...shape)]));

/** A model whose stored weights have `old.` in front of their names, and more rows. */
const renaming = (weights: Tensors): ReturnType<typeof plain> & Pick<Model, 'weightSources'> => ({
  ...plain(weights),
  weightSources: (stored) => ({
    sources: new Map(
      [...weights]
        .map(([name, { shape }]): [string, WeightSource] => [
          name,
          { stored: `old.${name}`, fit: rowsOf(shape[0] ?? 0) },
        ])
        .filter(([, source]) => stored.has(source.stored)),
    ),
    optional: ['extra'],
    decisive: ['heads'],
  }),
});
const rowsOf =
  (rows: number) =>
  ({ shape: [stored = 0, ...rest], values }: StoredTensor): StoredTensor | undefined =>
    stored < rows
      ? undefined
      : { shape: [rows, ...rest], values: values.slice(0, rows * rest.reduce((product, side) => product * side, 1)) };
/** A model without `weightSources`. */
const plain = (
  weights: Tensors,
  description: Record<string, unknown> = {},
): { description: Record<string, unknown>; parameters: () => Tensors } => ({ description, parameters: () => weights });

test('without weightSources, weights are matched by exact name and shape', (t) => {
  const stored = named(['a', [2]], ['_orig_mod.b', [2]], ['wpe.weight', [5, 2]]);
  const model = plain(named(['a', [2]], ['b', [2]], ['wpe.weight', [3, 2]]));
  const { found, skipped, misfits, mapped, fresh } = matchWeights(model, { weights: stored });
  t.deepEqual([...found.keys()], ['a']);
  t.deepEqual([skipped, mapped, fresh], [['_orig_mod.b'], [], []]);
  t.deepEqual(misfits, ['wpe.weight is [5,2] there and [3,2] here', 'b is missing there']);
});

test('weightSources decides which stored weight is used, how it is converted, and which may be missing', (t) => {
  const weights = named(['old.a', [3, 2]], ['old.b', [2]], ['a', [2, 2]]);
  const model = named(['a', [2, 2]], ['b', [2]], ['extra', [1]], ['lacking', [1]]);
  const { found, mapped, skipped, fresh, misfits } = matchWeights(renaming(model), { weights });
  t.deepEqual([...(found.get('a')?.values ?? [])], [0, 1, 2, 3]);
  t.deepEqual(mapped, ['old.a -> a [2,2]', 'old.b -> b [2]']);
  t.deepEqual([skipped, fresh, misfits], [['a'], ['extra'], ['lacking is missing there']]);
});

test('settings that no shape shows are compared, except dropout and vocabulary size', (t) => {
  const here = { heads: 4, dropout: 0, attn_pdrop: 0, vocab_size: 9, only_here: 1 };
  const there = { heads: 2, dropout: 0.1, attn_pdrop: 0.1, vocab_size: 8, only_there: 1 };
  const { differences } = matchWeights(plain(named(), here), { weights: named(), model: there });
  t.deepEqual(differences, ['heads is 2 there and 4 here']);
  const own = matchWeights(
    { ...renaming(named()), description: { heads: 4, width: 1 } },
    { weights: named(), model: { heads: 2, width: 2 } },
  );
  t.deepEqual(own.differences, ['heads is 2 there and 4 here'], 'a model says which count');
});

test('optimizer state follows its weight’s source; a weight without state is fresh, even if another had its shape', (t) => {
  const owners = ['old.a', 'old.b', 'old', 'old.c'];
  const tensors = named(
    ...owners.flatMap((name): [string, number[]][] => [
      [`${name}.exp_avg`, [2]],
      [`${name}.exp_avg_sq`, [2]],
    ]),
  );
  const weights = named(...owners.map((name): [string, number[]] => [name, [2]]), ['old.frozen', [2]]);
  const scalars = { step: 9, 'old.b.step': 4, 'old.step': 3, 'old.c.step': 2, 'other.count': 1 };
  const parameters = named(['a', [2]], ['b', [2]], ['new', [2]], ['c', [3]], ['frozen', [2]]);
  const { sources } = matchWeights(renaming(parameters), { weights });
  const { found, scalars: numbers, fresh } = matchOptimizer({ tensors, scalars }, sources, parameters);
  t.deepEqual([...found.keys()].sort(), ['a.exp_avg', 'a.exp_avg_sq', 'b.exp_avg', 'b.exp_avg_sq']);
  t.deepEqual(numbers, { step: 9, 'b.step': 4, 'other.count': 1 });
  t.deepEqual(fresh, ['new', 'c', 'frozen']);
});

test('weights stored under the model’s own names are all found', (t) => {
  const shapes = fc.dictionary(
    fc.stringMatching(/^[a-z]{1,6}\.weight$/),
    fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 3 }),
    { maxKeys: 8 },
  );
  fc.assert(
    fc.property(shapes, (of) => {
      const weights = named(...Object.entries(of));
      const { found, skipped, misfits, mapped } = matchWeights(plain(weights), { weights });
      t.deepEqual(found, weights);
      t.deepEqual([skipped, misfits, mapped], [[], [], []]);
    }),
  );
});
