import test from 'ava';
import { tf } from '../../../../core/index.js';
import { loadBinding } from '../../../../plugins/engines/native/binding.js';
import { nativeBackend } from '../../../../plugins/engines/native/kernels/index.js';
import { watchKernels } from '../../../../plugins/profiler/trace/kernels.js';
import { engineNeed, skipped } from '../../../needs.js';
import { normals } from '../../ops/cases.js';
import { on } from '../../ops/compare.js';
import { availableEngines } from '../../ops/engines.js';

/** Typical row operations of models on x and y [rows, columns], with a weight per column. */
const FUNCTIONS: Record<string, (x: tf.Tensor, y: tf.Tensor, weight: tf.Tensor) => tf.Tensor> = {
  'RMS norm': (x, y, weight) => {
    const sum = tf.add(x, y);
    return tf.mul(tf.mul(sum, tf.rsqrt(tf.add(tf.mean(tf.square(sum), -1, true), 1e-5))), weight);
  },
  'layer norm': (x, _y, weight) => {
    const { mean, variance } = tf.moments(x, -1, true);
    return tf.mul(tf.div(tf.sub(x, mean), tf.sqrt(tf.add(variance, 1e-5))), weight);
  },
  'masked softmax': (x, y) => tf.softmax(tf.where(tf.greater(y, -0.5), tf.mul(x, 0.125), tf.fill(x.shape, -1e9))),
  'softmax of a broadcast mask': (x, _y, weight) =>
    tf.softmax(tf.where(tf.greater(weight, -1), x, tf.fill(x.shape, -1e9))),
  'log-softmax': (x, y) => tf.mul(tf.logSoftmax(x), y),
  'a rotated half': (x, y, weight) => {
    const columns = x.shape.at(-1) ?? 0;
    const half = Math.floor(columns / 2);
    const [a, b] = tf.split(x, [half, columns - half], -1);
    return tf.add(tf.mul(x, weight), tf.mul(tf.concat([tf.neg(b!), a!], -1), y));
  },
  'joined parts': (x, y, weight) => {
    const columns = x.shape.at(-1) ?? 0;
    const part = tf.slice(tf.mul(x, y), [0, 1], [-1, columns - 3]);
    const ends = [tf.slice(x, [0, 0], [-1, 2]), tf.exp(tf.slice(y, [0, 1], [-1, 1]))];
    return tf.mul(tf.softmax(tf.concat([part, ...ends], 1)), weight);
  },
  'a sum without its axis': (x, y) => tf.mul(tf.sum(tf.mul(x, y), -1), tf.max(x, -1)),
};

const native = (await availableEngines()).find(({ name }) => name === 'native');
if (native?.works !== true) {
  skipped('engine native: chains along rows', await engineNeed('native'));
} else {
  const { backend } = native;
  const binding = loadBinding();

  for (const [name, compute] of Object.entries(FUNCTIONS))
    test.serial(
      `engine native: ${name} gives the same bits in one pass and step by step, close to the cpu backend`,
      (t) => {
        // The last rows are longer than the limit for chains.
        for (const [rows, columns] of [
          [7, 5],
          [1, 33],
          [129, 64],
          [37, 1025],
          [2, 4096],
          [2, 4097],
        ] as const) {
          const run = (): number[][] => outcome(compute, rows, columns);
          const found = [1, 3].map((threads) => {
            binding.setThreads(threads);
            return on(backend, run);
          });
          binding.setThreads(2);
          const expected = on('cpu', run);
          const stop = watchKernels(backend, { begin: () => undefined, end: () => undefined });
          const oneByOne = on(backend, run);
          stop();
          for (const each of found) t.deepEqual(each, oneByOne, `${String(rows)} x ${String(columns)}`);
          for (const [index, values] of expected.entries())
            t.true(farthest(oneByOne[index]!, values) < 2e-5, `${String(rows)} x ${String(columns)}: ${String(index)}`);
        }
      },
    );

  test.serial(
    'engine native: an RMS norm, and a masked softmax with its gradient, take one call of the addon each',
    (t) => {
      const kernels = nativeBackend(tf.findBackend(backend));
      const [x, y, weight] = inputsOf(12, 8);
      const calls = (run: () => tf.Tensor): string[] =>
        on(backend, () => {
          const ours = [x, y, weight].map(({ values, shape }) => tf.tensor(values, shape));
          tf.engine().startScope();
          for (const tensor of ours) tensor.dataSync();
          const made = kernels.calls(() => run().dataSync());
          tf.engine().endScope();
          return made.map(({ method }) => method.name).filter((name) => name !== 'allocate');
        });
      const norm = (): tf.Tensor =>
        FUNCTIONS['RMS norm']!(
          tf.tensor(x.values, x.shape),
          tf.tensor(y.values, y.shape),
          tf.tensor(weight.values, weight.shape),
        );
      t.deepEqual(calls(norm), ['elementwise']);
      const softmax = (): tf.Tensor => {
        const [scores, seen] = [tf.tensor(x.values, x.shape), tf.greater(tf.tensor(y.values, y.shape), 0)];
        const masked = (of: tf.Tensor): tf.Tensor => tf.softmax(tf.where(seen, of, tf.fill(of.shape, -1e9)));
        return tf.grad(masked)(scores, tf.tensor(y.values, y.shape));
      };
      t.deepEqual(calls(softmax), ['elementwise']);
    },
  );

  test.serial('engine native: the codes of row operations equal those in programs', (t) => {
    t.is(binding.rowStepNames()[2], 'spread');
  });
}

function inputsOf(rows: number, columns: number) {
  const [x, y, weight] = normals(rows * columns, [rows, columns], [rows, columns], [columns]);
  return [x!, y!, weight!] as const;
}

/** Returns the result, and the gradients of its sum with y. */
function outcome(compute: (typeof FUNCTIONS)[string], rows: number, columns: number): number[][] {
  const [x, y, weight] = inputsOf(rows, columns).map(({ values, shape }) => tf.tensor(values, shape));
  const value = compute(x!, y!, weight!);
  const gradients = tf.grads((...[a, b, c]: tf.Tensor[]) => {
    const all = [a!, b!, c!] as const;
    return tf.add(tf.sum(compute(...all)), tf.sum(tf.mul(tf.mul(all[0], all[1]), all[2])));
  })([x!, y!, weight!]);
  return [value, ...gradients].map((tensor) => [...tensor.dataSync()]);
}

/** Returns the largest difference, relative to expected values above 1. */
function farthest(found: readonly number[], expected: readonly number[]): number {
  return found.reduce(
    (most, value, index) => {
      const right = expected[index] ?? Number.NaN;
      return Math.max(most, Math.abs(value - right) / Math.max(1, Math.abs(right)));
    },
    found.length === expected.length ? 0 : Number.NaN,
  );
}
