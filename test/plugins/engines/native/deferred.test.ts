import test from 'ava';
import fc from '../../../property.js';
import { accumulate, tf } from '../../../../core/index.js';
import { nativeBackend } from '../../../../plugins/engines/native/kernels/index.js';
import { normals } from '../../ops/cases.js';
import { on } from '../../ops/compare.js';
import { availableEngines } from '../../ops/engines.js';
import { engineNeed, skipped } from '../../../needs.js';
import { watchKernels } from '../../../../plugins/profiler/trace/kernels.js';

/** A step of a random function: an operation on earlier tensors, by index. */
interface Step {
  readonly operation: keyof typeof OPERATIONS;
  readonly a: number;
  readonly b: number;
}

const OPERATIONS = {
  add: (a, b) => tf.add(a, b),
  sub: (a, b) => tf.sub(a, b),
  mul: (a, b) => tf.mul(a, b),
  div: (a, b) => tf.div(a, tf.add(tf.square(b), 1)),
  larger: (a, b) => tf.maximum(a, b),
  chosen: (a, b) => tf.where(tf.greater(a, b), tf.add(a, b), tf.zeros([4, 6])),
  exp: (a) => tf.exp(tf.neg(tf.square(a))),
  tanh: (a) => tf.tanh(a),
  silu: (a) => tf.mul(a, tf.sigmoid(a)),
  half: (a) => tf.mul(a, 0.5),
  row: (a, _b, row) => tf.mul(a, row),
  mean: (a) => tf.mul(a, tf.mean(tf.square(a), -1, true)),
  softmax: (a) => tf.softmax(a),
  above: (a) => tf.sub(a, tf.max(a, -1, true)),
  logSoftmax: (a) => tf.logSoftmax(a),
  rows: (a, b) => tf.mul(tf.reshape(tf.sqrt(tf.add(tf.sum(tf.square(a), 1), 1)), [4, 1]), b),
  swapped: (a, b) => {
    const [left, right] = tf.split(a, 2, 1);
    return tf.mul(tf.concat([tf.neg(right!), left!], 1), b);
  },
  columns: (a, b) => tf.mul(tf.sum(a, 0), b),
  masked: (a, b) => tf.where(tf.greaterEqual(tf.slice(b, [1, 0], [1, 6]), 0), a, tf.fill([4, 6], -1e9)),
  turned: (a) => tf.reshape(tf.transpose(a), [4, 6]),
  shaped: (a, b) => tf.reshape(tf.add(tf.reshape(a, [24]), tf.reshape(b, [24])), [4, 6]),
  product: (a, b) => tf.matMul(a, tf.matMul(b, a, true)),
} satisfies Record<string, (a: tf.Tensor, b: tf.Tensor, row: tf.Tensor) => tf.Tensor>;

const steps = fc.array(
  fc.record({
    operation: fc.constantFrom(
      ...Object.keys(OPERATIONS).filter((name): name is Step['operation'] => name in OPERATIONS),
    ),
    a: fc.nat(20),
    b: fc.nat(20),
  }),
  { minLength: 1, maxLength: 20 },
);

const native = (await availableEngines()).find(({ name }) => name === 'native');
if (native?.works !== true) {
  skipped('engine native: deferred operations', await engineNeed('native'));
} else {
  const { backend } = native;

  test.serial(
    'engine native: random functions and their gradients give the same bits one by one and in chains',
    (t) => {
      fc.assert(
        fc.property(steps, fc.nat(), (drawn, seed) => {
          const before = [tf.memory().numTensors, tf.memory().numDataBuffers];
          const compute = (): number[][] => on(backend, () => outcome(drawn, seed));
          const chained = compute();
          t.deepEqual(chained, oneByOne(backend, compute));
          t.deepEqual([tf.memory().numTensors, tf.memory().numDataBuffers], before, 'nothing is left');
        }),
        { numRuns: 80 },
      );
    },
  );

  test.serial('engine native: pending operations can still read a disposed tensor', (t) => {
    on(backend, () => {
      const x = tf.tensor1d([1, 2, 3]);
      const y = tf.add(x, 1);
      const z = tf.mul(y, x);
      x.dispose();
      y.dispose();
      // Other tensors take memory of that size meanwhile.
      const others = [1, 2, 3].map((value) => tf.fill([3], value));
      t.deepEqual([...z.dataSync()], [2, 6, 12]);
      t.deepEqual([...tf.addN(others).dataSync()], [6, 6, 6]);
    });
  });

  test.serial('engine native: pending operations read the old values of a tensor that is changed in place', (t) => {
    on(backend, () => {
      const [x, gradient] = [tf.tensor1d([1, 2, 3]), tf.tensor1d([10, 20, 30])];
      const [twice, gone] = [tf.mul(x, 2), tf.exp(x)];
      gone.dispose();
      const changed = accumulate(x, gradient, 0.5);
      t.deepEqual([...changed.dataSync()], [6, 12, 18]);
      t.deepEqual([...twice.dataSync()], [2, 4, 6]);
    });
  });

  test.serial('engine native: values that nobody reads hold no more memory than the limit', (t) => {
    on(backend, () => {
      // A running average over more steps than may be pending.
      let average = tf.zeros([1000]);
      for (let step = 0; step < 200; step++) {
        average = tf.tidy(() => {
          const news = tf.fill([1000], step);
          return tf.add(tf.mul(average, 0.5), tf.mul(news, 0.5));
        });
      }
      t.is(Math.round(average.dataSync()[999] ?? NaN), 198);
    });
  });

  test.serial('engine native: a reduction without given axes runs in C++', (t) => {
    const kernels = nativeBackend(tf.findBackend(backend));
    kernels.javaScript.times = new Map();
    const found = on(backend, () => {
      const x = tf.tensor2d([1, 2, 3, 4, 5, 9], [2, 3]);
      return [tf.sum(x), tf.mean(tf.abs(x)), tf.max(x), tf.min(x)].map((y) => y.dataSync()[0]);
    });
    t.deepEqual(found, [24, 4, 9, 1]);
    t.deepEqual([...kernels.javaScript.times.keys()], []);
    kernels.javaScript.times = undefined;
  });

  test.serial('engine native: branches on values and cpu kernels see computed values', (t) => {
    const compute = (): number[] => {
      const x = tf.tensor2d(normals(1, [4, 6])[0]!.values, [4, 6]);
      const y = tf.add(tf.mul(x, 3), 1);
      const branch = (y.dataSync()[0] ?? 0) > 0 ? tf.sqrt(tf.abs(y)) : tf.square(y);
      const cpu = tf.acosh(tf.add(branch, 1));
      return [...tf.mul(tf.add(cpu, y), 2).dataSync()];
    };
    const expected = on('cpu', compute);
    for (const [index, value] of on(backend, compute).entries())
      t.true(Math.abs(value - (expected[index] ?? NaN)) < 1e-5, String(index));
  });
}

/** The results of the random steps, and the gradients of their sum. */
function outcome(drawn: readonly Step[], seed: number): number[][] {
  const inputs = normals(seed, [4, 6], [4, 6], [6]).map(({ values, shape }) => tf.tensor(values, shape));
  const run = (x: tf.Tensor, y: tf.Tensor, row: tf.Tensor): tf.Tensor => {
    const made: tf.Tensor[] = [x, y];
    const at = (number: number): tf.Tensor => made[number % made.length] ?? x;
    for (const { operation, a, b } of drawn) made.push(OPERATIONS[operation](at(a), at(b), row));
    return tf.add(at(made.length - 1), at(drawn[0]?.a ?? 0));
  };
  const values = run(inputs[0]!, inputs[1]!, inputs[2]!);
  const gradients = tf.grads((x: tf.Tensor, y: tf.Tensor, row: tf.Tensor) =>
    tf.add(run(x, y, row), tf.mul(tf.mul(x, y), row)),
  )([...inputs]);
  return [values, ...gradients].map((tensor) => [...tensor.dataSync()]);
}

/** While kernels are watched, each runs when it is called. */
function oneByOne<T>(backend: string, compute: () => T): T {
  const stop = watchKernels(backend, { begin: () => undefined, end: () => undefined });
  try {
    return compute();
  } finally {
    stop();
  }
}
