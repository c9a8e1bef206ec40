import test from 'ava';
import fc from '../../property.js';
import { accumulate, accumulateAll, globalNorm, tf, type DropoutMask } from '../../../core/index.js';
import { adamwStep, causalAttention, registerOps } from '../../../plugins/index.js';
import { dropout } from '../../../plugins/ops/contract.js';
import { families, normals, type Case } from './cases.js';
import { assertClose, compute, on } from './compare.js';
import { availableEngines } from './engines.js';
import { needing } from '../../needs.js';

const RUNS = 30;
/** Of those that compile every shape anew: TensorFlow for most of a second, XLA for most of a tenth. */
const COMPILED_RUNS = 8;
const COMPILED = ['tensorflow', 'xla'];

const FINITE_DIFFERENCE_TOLERANCE = 2e-2;

const engines = await availableEngines();

test.before(async () => {
  await tf.setBackend('cpu');
  registerOps('cpu');
});

for (const { name, cases } of families) {
  test.serial(`${name}: the gradient of the composite is the slope of finite differences`, (t) => {
    fc.assert(
      fc.property(cases, fc.integer({ min: 0, max: 1000 }), (drawn, seed) => {
        for (const input of drawn.inputs.keys()) {
          const { slope, expected, scale } = slopes(drawn, input, seed);
          if (Math.abs(slope - expected) > FINITE_DIFFERENCE_TOLERANCE * scale)
            throw new Error(
              `input ${String(input)}: the gradient says ${String(slope)}, differences ${String(expected)}`,
            );
        }
      }),
      { numRuns: RUNS },
    );
    t.pass();
  });
}

for (const { name: engine, need, backend } of engines) {
  const numRuns = COMPILED.includes(engine) ? COMPILED_RUNS : RUNS;
  const check = needing(need).serial;

  for (const { name, cases } of families) {
    check(`${name}: engine ${engine} computes what the composite computes, forward and backward`, (t) => {
      fc.assert(
        fc.property(cases, (drawn) => {
          const expected = compute(drawn, 'cpu');
          const found = compute(drawn, backend);
          for (const [index, values] of expected.entries())
            assertClose(found[index], values, `tensor ${String(index)}`);
        }),
        { numRuns },
      );
      t.pass();
    });
  }

  check(`adamwStep and globalNorm: engine ${engine} computes what the composite computes`, (t) => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3000 }), fc.integer({ min: 1, max: 500 }), (size, step) => {
        const expected = update(size, step, 'cpu');
        const found = update(size, step, backend);
        for (const [index, values] of expected.entries()) assertClose(found[index], values, `tensor ${String(index)}`);
      }),
      { numRuns },
    );
    t.pass();
  });

  check(`accumulate: engine ${engine} computes what the composite computes`, (t) => {
    const sumOf = (on_: string): Float32Array =>
      on(on_, () => {
        const [a, b] = normals(1, [5, 7], [5, 7]).map(({ values, shape }) => tf.tensor(values, shape));
        return accumulate(accumulate(a!, b!, 0.25), b!, 0.25)
          .dataSync<'float32'>()
          .slice();
      });
    assertClose(sumOf(backend), sumOf('cpu'), 'sum');
    const sumsOf = (on_: string): Float32Array[] =>
      on(on_, () => {
        const [a, b] = [normals(2, [3], [5, 7]), normals(3, [3], [5, 7])].map((all) =>
          all.map(({ values, shape }) => tf.tensor(values, shape)),
        );
        const found = accumulateAll(accumulateAll([], a!, 0.5), b!, 0.25);
        // Gradients stay what they are.
        return [...found, ...a!, ...b!].map((tensor) => tensor.dataSync<'float32'>().slice());
      });
    const expected = sumsOf('cpu');
    for (const [index, values] of sumsOf(backend).entries())
      assertClose(values, expected[index]!, `tensor ${String(index)}`);
    t.pass();
  });

  check(`dropout: engine ${engine} gives the rows of a part the masks that they have in the whole batch`, (t) => {
    const heads = 2;
    const shape: [number, number, number] = [5, 6, 3 * heads * 4];
    const dropped = (x: tf.Tensor3D, mask: DropoutMask): tf.Tensor[] => [
      dropout(x, mask),
      causalAttention(x, heads, { mask }),
    ];
    const values = (tensors: readonly tf.Tensor[]): Float32Array[] =>
      tensors.map((tensor) => tensor.dataSync<'float32'>().slice());
    fc.assert(
      fc.property(
        fc.nat(),
        fc.constantFrom(0, 3, 2 ** 31 - 2),
        fc.nat(4),
        fc.integer({ min: 1, max: 5 }),
        (seed, firstRow, first, most) => {
          const count = Math.min(most, 5 - first);
          const mask = { rate: 0.4, key0: seed, key1: 7, firstRow };
          on(backend, () => {
            const x = tf.tensor3d(normals(seed, shape)[0]!.values, shape);
            const whole = dropped(x, mask).map((y) => tf.slice(y, first, count));
            const part = dropped(tf.slice(x, first, count), { ...mask, firstRow: firstRow + first });
            const [found, expected] = [values(part), values(whole)];
            t.deepEqual(found[0], expected[0]);
            // Another number of rows may be another order of sums to what is compiled for it.
            if (COMPILED.includes(engine)) assertClose(found[1], expected[1]!, 'attention');
            else t.deepEqual(found[1], expected[1]);
          });
        },
      ),
      { numRuns },
    );
  });

  check(`engine ${engine} gives the same bits again`, (t) => {
    for (const { cases } of families) {
      const [drawn] = fc.sample(cases, { numRuns: 1, seed: 5 });
      t.deepEqual(compute(drawn!, backend), compute(drawn!, backend));
    }
  });
}

/** Along a random direction of one input: the slope that the gradient says, and that central differences say. */
function slopes(
  { inputs, apply }: Case,
  input: number,
  seed: number,
): { slope: number; expected: number; scale: number } {
  const STEP = 1e-2;
  return on('cpu', () => {
    const tensors = inputs.map(({ shape, values }) => tf.tensor(values, shape));
    const x = tensors[input]!;
    const [along] = normals(seed, x.shape);
    const direction = tf.tensor(along!.values, x.shape);
    const at = (distance: number): tf.Tensor =>
      apply(...tensors.map((tensor, i) => (i === input ? tf.add(tensor, tf.mul(direction, distance)) : tensor)));
    const y = at(0);
    const [weights] = normals(seed + 1, y.shape);
    const dy = tf.tensor(weights!.values, y.shape);
    const gradients = tf.grads((...xs: tf.Tensor[]) => apply(...xs))(tensors, dy);
    const slope = dot(gradients[input]!, direction);
    const expected = dot(tf.sub(at(STEP), at(-STEP)), dy) / (2 * STEP);
    return { slope, expected, scale: 1 + Math.sqrt(dot(gradients[input]!, gradients[input]!)) * Math.sqrt(x.size) };
  });
}

function update(size: number, step: number, backend: string): Float32Array[] {
  return on(backend, () => {
    const shapes = Array.from({ length: 8 }, () => [size]);
    const tensors = normals(size, ...shapes).map(({ values }) => tf.tensor1d(values));
    const parameters = [0, 4].map((first) => ({
      parameter: tensors[first]!,
      gradient: tensors[first + 1]!,
      expAvg: tensors[first + 2]!,
      expAvgSq: tf.square(tensors[first + 3]!),
      weightDecay: first === 0 ? 0.1 : 0,
    }));
    const norm = globalNorm(tensors);
    const settings = { learningRate: 1e-3, beta1: 0.9, beta2: 0.99, epsilon: 1e-8, step, gradientScale: 0.5 };
    // Twice: the second update of an engine that works in place is of its own memory.
    const once = adamwStep(parameters, settings).map((next, i) => ({ ...parameters[i]!, ...next }));
    const twice = adamwStep(once, { ...settings, step: step + 1 });
    // By a norm that is not read: clipped; and unchanged where it is not finite.
    const byNorm = [norm, NaN].reduce(
      (before, each) =>
        adamwStep(before, { ...settings, clipping: { norm: tf.scalar(each), gradClip: norm / 3 } }).map((next, i) => ({
          ...parameters[i]!,
          ...next,
        })),
      twice.map((next, i) => ({ ...parameters[i]!, ...next })),
    );
    const results = byNorm.flatMap((next) => [next.parameter, next.expAvg, next.expAvgSq]);
    return [...results.map((x) => x.dataSync<'float32'>().slice()), Float32Array.of(norm)];
  });
}

function dot(a: tf.Tensor, b: tf.Tensor): number {
  return tf.sum(tf.mul(a, b)).dataSync()[0]!;
}
