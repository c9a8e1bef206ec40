import test from 'ava';
import fc from '../../../property.js';
import { tf } from '../../../../core/index.js';
import { nativeBackend } from '../../../../plugins/engines/native/kernels/index.js';
import { on } from '../../ops/compare.js';
import { availableEngines } from '../../ops/engines.js';
import { engineNeed, skipped } from '../../../needs.js';

/** How results are compared: every element exactly, or within rounding for sums of floats. */
type Rule = 'exact' | 'close';
type DType = 'float32' | 'int32' | 'bool';
type Compute = () => tf.Tensor | tf.Tensor[];

interface Found {
  readonly shape: number[];
  readonly dtype: string;
  readonly values: number[];
}

const types = fc.constantFrom<DType>('float32', 'int32', 'bool');
const numberTypes = fc.constantFrom<DType>('float32', 'int32');
const shapes = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 6 });
/** Up to the maximum number of axes, but few elements, since repeating and padding multiply them. */
const smallShapes = fc
  .array(fc.integer({ min: 0, max: 3 }), { maxLength: 6 })
  .filter((shape) => tf.util.sizeFromShape(shape) <= 60);
const fullShapes = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 5 });

/** Numbers of a shape and type, with special ones among them. */
function numbersOf(dtype: DType, shape: readonly number[], seed: number): tf.Tensor {
  const special = [0, -0, NaN, 1, -1, Infinity, -Infinity, 2.5];
  let state = seed;
  const next = (): number => (state = (state * 1_103_515_245 + 12_345) % 2_147_483_648);
  const of = {
    float32: () => (next() % 4 === 0 ? special[next() % special.length]! : (next() % 2001) / 500 - 2),
    int32: () => (next() % 21) - 10,
    bool: () => next() % 2,
  };
  const values = Array.from({ length: tf.util.sizeFromShape([...shape]) }, of[dtype]);
  return tf.tensor(values, [...shape], dtype);
}

/** The same without numbers that are not finite. */
function finite(shape: readonly number[], seed: number): tf.Tensor {
  const x = numbersOf('float32', shape, seed);
  return tf.tensor(
    x.dataSync().map((value) => (Number.isFinite(value) ? value : 0.25)),
    [...shape],
  );
}

const native = (await availableEngines()).find(({ name }) => name === 'native');
if (native?.works !== true) {
  skipped('engine native: kernels of TensorFlow.js', await engineNeed('native'));
} else {
  const found = (backend: string, compute: Compute): Found[] =>
    on(backend, () =>
      [compute()].flat().map((tensor) => ({
        shape: tensor.shape,
        dtype: tensor.dtype,
        values: Array.from(tensor.dataSync()),
      })),
    );

  /** @throws Error if the native engine differs from the cpu backend, including in errors */
  const compare = (rule: Rule, compute: Compute): void => {
    const [expected, ours] = ['cpu', native.backend].map((backend) => {
      try {
        return found(backend, compute);
      } catch (thrown) {
        return String(thrown);
      }
    });
    if (typeof expected === 'string' || typeof ours === 'string') {
      if (expected !== ours) throw new Error(`${JSON.stringify(ours)} is not ${JSON.stringify(expected)}`);
      return;
    }
    for (const [index, { shape, dtype, values }] of expected!.entries()) {
      const other = ours![index]!;
      const size = values.reduce((most, value) => (Number.isFinite(value) ? Math.max(most, Math.abs(value)) : most), 1);
      const isAlike = (value: number, at: number): boolean =>
        Object.is(value, other.values[at]) ||
        (rule === 'close' && (value === other.values[at] || Math.abs(value - other.values[at]!) <= 1e-5 * size));
      const isSame = String(shape) === String(other.shape) && dtype === other.dtype && values.every(isAlike);
      if (!isSame || values.length !== other.values.length)
        throw new Error(`${JSON.stringify(other)} is not ${JSON.stringify(expected![index])}`);
    }
  };

  /** A property over values whose `compute` is compared. */
  const holds = <T>(rule: Rule, given: fc.Arbitrary<T>, compute: (given: T) => Compute): void => {
    fc.assert(
      fc.property(given, (each) => {
        compare(rule, compute(each));
      }),
      { numRuns: 30, includeErrorInReport: true },
    );
  };

  const withAxes = (of: fc.Arbitrary<number[]>): fc.Arbitrary<{ shape: number[]; axes: number[]; seed: number }> =>
    of.chain((shape) =>
      fc.record({
        shape: fc.constant(shape),
        axes: fc.subarray(shape.map((_, axis) => axis)),
        seed: fc.integer({ min: 1, max: 1e6 }),
      }),
    );

  test('engine native: sums and means over any axes equal the cpu backend’s', (t) => {
    holds(
      'close',
      fc.tuple(withAxes(shapes), numberTypes, fc.boolean()),
      ([{ shape, axes, seed }, dtype, keep]) =>
        () => {
          const x = dtype === 'float32' ? finite(shape, seed) : numbersOf(dtype, shape, seed);
          return [tf.sum(x, axes, keep), tf.mean(x, axes, keep), tf.sum(x), tf.prod(x, axes, keep)];
        },
    );
    holds('exact', fc.tuple(withAxes(shapes), types), ([{ shape, axes, seed }, dtype]) => () => {
      return tf.sum(numbersOf(dtype === 'float32' ? 'int32' : dtype, shape, seed), axes);
    });
    t.pass();
  });

  test('engine native: extremes, their indices and boolean reductions are exact', (t) => {
    holds('exact', fc.tuple(withAxes(fullShapes), numberTypes), ([{ shape, axes, seed }, dtype]) => () => {
      const x = numbersOf(dtype, shape, seed);
      const axis = axes[0] ?? 0;
      return [tf.max(x, axes), tf.min(x, axes, true), tf.argMax(x, axis), tf.argMin(x, axis)];
    });
    holds('exact', fc.tuple(withAxes(shapes), fc.boolean()), ([{ shape, axes, seed }, keep]) => () => {
      const x = numbersOf('bool', shape, seed);
      return [tf.all(x, axes, keep), tf.any(x, axes, keep)];
    });
    t.pass();
  });

  test('engine native: softmax and running sums equal the cpu backend’s', (t) => {
    holds('close', fc.tuple(fullShapes, fc.integer({ min: 1, max: 1e6 })), ([shape, seed]) => () => {
      const x = finite(shape, seed);
      const masked = tf.where(tf.greater(x, 1), tf.fill(x.shape, -Infinity), x);
      return [tf.softmax(x), tf.logSoftmax(x), tf.softmax(masked)];
    });
    holds(
      'exact',
      fc.tuple(withAxes(fullShapes), types, fc.boolean(), fc.boolean()),
      ([{ shape, axes, seed }, dtype, exclusive, reverse]) =>
        () => {
          const x = numbersOf(dtype, shape, seed);
          const axis = axes[0] ?? 0;
          return [tf.cumsum(x, axis, exclusive, reverse), tf.cumprod(x, axis, exclusive, reverse)];
        },
    );
    t.pass();
  });

  test('engine native: slices, transposes, repeats and reversals move every element', (t) => {
    const cuts = smallShapes.chain((shape) =>
      fc.tuple(
        fc.constant(shape),
        fc.tuple(...shape.map((size) => fc.integer({ min: 0, max: size }))),
        fc.tuple(...shape.map(() => fc.integer({ min: 0, max: 2 }))),
        fc.shuffledSubarray(
          shape.map((_, axis) => axis),
          { minLength: shape.length },
        ),
      ),
    );
    holds(
      'exact',
      fc.tuple(cuts, types, fc.integer({ min: 1, max: 99 })),
      ([[shape, begin, sizes, order], dtype, seed]) => {
        const within = shape.map((size, axis) => Math.min(sizes[axis]!, size - begin[axis]!));
        return () => {
          const x = numbersOf(dtype, shape, seed);
          const axes = order.slice(0, shape.length >> 1);
          return [
            ...(shape.length === 0
              ? []
              : [tf.slice(x, begin, within), tf.tile(x, sizes), tf.reverse(x, axes), tf.reverse(x)]),
            tf.transpose(x, order),
            tf.pad(
              x,
              sizes.map((size, axis): [number, number] => [begin[axis]!, size]),
              dtype === 'bool' ? 1 : 1.5,
            ),
          ];
        };
      },
    );
    t.pass();
  });

  test('engine native: mirror padding equals the cpu backend’s', (t) => {
    const padded = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 }).chain((shape) =>
      fc.record({
        shape: fc.constant(shape),
        mode: fc.constantFrom<'reflect' | 'symmetric'>('reflect', 'symmetric'),
        sizes: fc.tuple(...shape.map((size) => fc.tuple(fc.nat(size), fc.nat(size)))),
      }),
    );
    holds('exact', fc.tuple(padded, types), ([{ shape, mode, sizes }, dtype]) => () => {
      const most = shape.map((size) => (mode === 'reflect' ? size - 1 : size));
      const paddings = sizes.map(([before, after], axis): [number, number] => [
        Math.min(before, most[axis]!),
        Math.min(after, most[axis]!),
      ]);
      return tf.mirrorPad(numbersOf(dtype, shape, 7), paddings, mode);
    });
    t.pass();
  });

  test('engine native: strided slices, forwards and backwards, equal the cpu backend’s', (t) => {
    const cuts = fullShapes.chain((shape) =>
      fc.tuple(
        fc.constant(shape),
        ...(['begin', 'end'] as const).map(() =>
          fc.tuple(...shape.map((size) => fc.integer({ min: -size, max: size }))),
        ),
        fc.tuple(...shape.map(() => fc.constantFrom(1, 2, -1, -2, 3))),
      ),
    );
    holds(
      'exact',
      fc.tuple(cuts, types, fc.nat(3), fc.nat(3)),
      ([[shape, begin, end, steps], dtype, first, last]) =>
        () => {
          const x = numbersOf(dtype, shape, 7);
          return tf.stridedSlice(x, begin, end!, steps, first, last);
        },
    );
    t.pass();
  });

  test('engine native: joining and splitting equal the cpu backend’s', (t) => {
    const parts = withAxes(fullShapes);
    holds(
      'exact',
      fc.tuple(
        parts,
        types,
        fc.array(fc.nat(3), { minLength: 1, maxLength: 4 }).map((sizes) => [1, ...sizes]),
      ),
      ([given, dtype, sizes]) =>
        () => {
          const { shape, axes, seed } = given;
          const axis = axes[0] ?? 0;
          const of = (size: number): tf.Tensor => numbersOf(dtype, shape.with(axis, size), seed + size);
          const x = tf.concat(sizes.map(of), axis);
          const alike = sizes.map((size) => numbersOf(dtype, shape, size + 1));
          return [
            x,
            ...tf.split(x, sizes, axis),
            ...tf.unstack(of(3), axis),
            tf.stack(alike, axis),
            ...tf.split(of(4), 2, axis),
          ];
        },
    );
    t.pass();
  });

  test('engine native: slices by index, and their errors, equal TensorFlow.js’s', (t) => {
    holds(
      'exact',
      fc.tuple(withAxes(fullShapes), types, fc.array(fc.integer({ min: -1, max: 5 }), { maxLength: 6 })),
      ([given, dtype, ids]) =>
        () => {
          const { shape, axes, seed } = given;
          return tf.gather(numbersOf(dtype, shape, seed), tf.tensor1d(ids, 'int32'), axes[0] ?? 0);
        },
    );
    holds('exact', fc.tuple(types, fc.integer({ min: 1, max: 99 }), fc.nat(2)), ([dtype, seed, batchDims]) => () => {
      const ids = tf.tensor(
        Array.from({ length: 24 }, (_, index) => (index * seed) % 5),
        [2, 3, 4],
        'int32',
      );
      return tf.gather(numbersOf(dtype, [2, 3, 5, 2], seed), ids, 2, batchDims);
    });
    const places = fc.array(fc.tuple(fc.integer({ min: -1, max: 4 }), fc.nat(2)), { minLength: 1, maxLength: 6 });
    holds('exact', fc.tuple(numberTypes, places, fc.integer({ min: 1, max: 99 })), ([dtype, ids, seed]) => () => {
      const indices = tf.tensor2d(ids, [ids.length, 2], 'int32');
      return tf.gatherND(numbersOf(dtype, [4, 3, 2], seed), indices);
    });
    holds('close', fc.tuple(numberTypes, places, fc.integer({ min: 1, max: 99 })), ([dtype, ids, seed]) => () => {
      const indices = tf.tensor2d(ids, [ids.length, 2], 'int32');
      const updates = dtype === 'int32' ? numbersOf(dtype, [ids.length, 2], seed) : finite([ids.length, 2], seed);
      const before = dtype === 'int32' ? numbersOf(dtype, [4, 3, 2], seed) : finite([4, 3, 2], seed);
      return [tf.scatterND(indices, updates, [4, 3, 2]), tf.tensorScatterUpdate(before, indices, updates)];
    });
    holds(
      'close',
      fc.tuple(fc.array(fc.integer({ min: -1, max: 4 }), { minLength: 1 }), fc.nat(5)),
      ([ids, width]) =>
        () => {
          return tf.unsortedSegmentSum(finite([ids.length, width], 3), tf.tensor1d(ids, 'int32'), 4);
        },
    );
    t.pass();
  });

  test('engine native: one-hot vectors, top-k and constants equal the cpu backend’s', (t) => {
    holds(
      'exact',
      fc.tuple(types, fc.array(fc.integer({ min: -2, max: 5 })), fc.integer({ min: 2, max: 5 })),
      ([dtype, ids, depth]) =>
        () => {
          const x = tf.tensor1d(ids, 'int32');
          return [
            tf.oneHot(x, depth, 1, 0, dtype),
            ...(dtype === 'bool' ? [] : [tf.oneHot(x, depth, 2.5, -1, dtype)]),
            tf.zerosLike(x),
            tf.onesLike(tf.cast(x, dtype)),
            tf.fill([depth, 2], dtype === 'bool' ? 1 : -2.5, dtype === 'bool' ? 'bool' : dtype),
          ];
        },
    );
    holds(
      'exact',
      fc.tuple(numberTypes, fullShapes, fc.integer({ min: 1, max: 1e6 }), fc.nat(5)),
      ([dtype, shape, seed, k]) =>
        () => {
          const x = dtype === 'float32' ? finite(shape, seed) : numbersOf(dtype, shape, seed);
          const { values, indices } = tf.topk(x, k, true);
          return [values, indices];
        },
    );
    t.pass();
  });

  test('engine native: broadcast batched products, either side transposed, equal the cpu backend’s', (t) => {
    const sizes = fc.record({
      m: fc.nat(5),
      n: fc.nat(40),
      k: fc.integer({ min: 1, max: 9 }),
      batch: fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 3 }),
      ones: fc.array(fc.constantFrom('a', 'b', 'neither'), { minLength: 3, maxLength: 3 }),
      shorter: fc.nat(2),
      ofA: fc.boolean(),
      ofB: fc.boolean(),
    });
    holds('close', sizes, ({ m, n, k, batch, ones, shorter, ofA, ofB }) => () => {
      const batchA = batch.map((size, axis) => (ones[axis] === 'a' ? 1 : size));
      const batchB = batch.map((size, axis) => (ones[axis] === 'b' ? 1 : size)).slice(shorter);
      const a = finite([...batchA, ...(ofA ? [k, m] : [m, k])], 5);
      const b = finite([...batchB, ...(ofB ? [n, k] : [k, n])], 6);
      const all = tf.broadcast_util.assertAndGetBroadcastShape(batchA, batchB);
      // The cpu backend multiplies the wrong matrices if both are broadcast, and fails if the sum is empty.
      const whole = (x: tf.Tensor): tf.Tensor =>
        tf.getBackend() === 'cpu' ? tf.broadcastTo(x, [...all, ...x.shape.slice(-2)]) : x;
      return tf.matMul(whole(a), whole(b), ofA, ofB);
    });
    compare('exact', () => tf.matMul(tf.ones([2, 3]), tf.ones([4, 2])));
    compare('close', () =>
      tf.fused.matMul({ a: finite([3, 4, 5], 1), b: finite([5, 6], 2), bias: finite([6], 3), activation: 'relu' }),
    );
    t.pass();
  });

  test('engine native: kernels large enough for vectors and threads run without JavaScript', (t) => {
    const backend = nativeBackend(tf.findBackend(native.backend));
    backend.javaScript.times = new Map();
    const x = (): tf.Tensor => finite([37, 61, 53], 11);
    compare('close', () => [
      tf.sum(x()),
      tf.sum(x(), 0),
      tf.sum(x(), 1),
      tf.sum(x(), 2),
      tf.sum(x(), [0, 2]),
      tf.mean(x(), [1, 2]),
    ]);
    compare('exact', () => [
      tf.max(x()),
      tf.min(x(), [0, 2]),
      tf.max(x(), 1),
      tf.argMax(x(), 1),
      tf.argMin(x(), 2),
      tf.cumsum(x(), 1),
    ]);
    compare('exact', () => [tf.transpose(x(), [2, 1, 0]), tf.transpose(x(), [1, 0, 2]), tf.transpose(x(), [0, 2, 1])]);
    compare('exact', () => tf.transpose(tf.cast(tf.greater(x(), 0), 'bool'), [2, 0, 1]));
    compare('close', () => [tf.softmax(x()), tf.sum(finite([70_001], 3)), tf.sum(finite([9_000, 5], 4), 0)]);
    compare('exact', () =>
      tf.mirrorPad(
        x(),
        [
          [3, 1],
          [0, 60],
          [52, 0],
        ],
        'reflect',
      ),
    );
    compare('exact', () => tf.mod(numbersOf('int32', [70_001], 5), numbersOf('int32', [70_001], 6)));
    compare('exact', () => [tf.sum(numbersOf('int32', [70_001], 5)), tf.prod(numbersOf('bool', [99], 5))]);
    compare('close', () => {
      const ids = tf.tensor1d(
        Array.from({ length: 900 }, (_, index) => (index * 7919) % 41),
        'int32',
      );
      return [tf.gather(x(), tf.mod(ids, 37), 0), tf.unsortedSegmentSum(finite([900, 70], 2), ids, 41)];
    });
    compare('close', () => tf.matMul(finite([6, 4, 33, 17], 1), finite([4, 65, 17], 2), false, true));
    compare('exact', () => [tf.sum(x(), []), tf.max(x(), [])]);
    t.deepEqual([...backend.javaScript.times.keys()], []);
    backend.javaScript.times = undefined;
  });

  test('engine native: kernels give the same bits for any number of threads', (t) => {
    const { binding } = nativeBackend(tf.findBackend(native.backend));
    const compute = (): Found[] =>
      found(native.backend, () => {
        const x = finite([64, 31, 257], 21);
        const ids = tf.tensor1d(
          Array.from({ length: 64 }, (_, index) => index % 7),
          'int32',
        );
        const heads = tf.matMul(x, x, false, true);
        return [tf.sum(x), tf.sum(x, 1), tf.mean(x, [0, 2]), tf.softmax(x), heads, tf.unsortedSegmentSum(x, ids, 7)];
      });
    const results = [1, 2, 5].map((threads) => {
      binding.setThreads(threads);
      return compute();
    });
    t.deepEqual(results[1], results[0]);
    t.deepEqual(results[2], results[0]);
  });
}
