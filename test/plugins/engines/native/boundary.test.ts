import test from 'ava';
import { tf } from '../../../../core/index.js';
import { causalAttention, embedding, layerNorm, linear, softmaxCrossEntropy } from '../../../../plugins/index.js';
import { loadBinding } from '../../../../plugins/engines/native/binding.js';
import { on } from '../../ops/compare.js';
import { availableEngines } from '../../ops/engines.js';
import { engineNeed, skipped } from '../../../needs.js';

const native = (await availableEngines()).find(({ name }) => name === 'native');
if (native?.works !== true) {
  skipped('engine native: its boundary', await engineNeed('native'));
} else {
  const binding = loadBinding();
  const { backend } = native;
  const six = new Float32Array(6);

  test('engine native: an array whose length does not match the sizes is refused', (t) => {
    t.throws(() => binding.activation('gelu', 6, new Float32Array(5), six), {
      instanceOf: TypeError,
      message: /argument 3 has 5 elements, the shape needs 6/,
    });
    t.throws(() => binding.activation('gelu', 6, six, new Float32Array(7)), { message: /has 7 elements/ });
    t.throws(() => binding.layerNorm(2, 3, 1e-5, six, six, undefined, six), { message: /has 6 .* needs 3/ });
    t.throws(() => binding.globalNorm([six, Reflect.construct(Float64Array, [6])]), { message: /Float32Array/ });
  });

  test('engine native: a missing array, or one of another type, is refused', (t) => {
    for (const wrong of [new Int32Array(6), new Float64Array(6), Array.from(six), undefined, null, 'six']) {
      const activation: unknown = Reflect.get(binding, 'activation');
      if (typeof activation !== 'function') return t.fail('no activation');
      t.throws(() => void Reflect.apply(activation, binding, ['gelu', 6, wrong, six]), {
        instanceOf: TypeError,
        message: /must be a Float32Array: the tensor is disposed, or of another type/,
      });
    }
  });

  test('engine native: unknown activations, and derivatives without one, are refused', (t) => {
    const activation: unknown = Reflect.get(binding, 'activation');
    if (typeof activation !== 'function') return t.fail('no activation');
    for (const wrong of ['elu', '', 1, undefined, null]) {
      t.throws(() => void Reflect.apply(activation, binding, [wrong, 6, six, six]), {
        instanceOf: TypeError,
        message: /argument 1 must be the name of an activation/,
      });
    }
    t.throws(
      () => {
        binding.matrixProduct(
          ...([2, 3, 1, false, false, false, undefined, undefined, six.subarray(4), six.subarray(3)] as const),
          ...([undefined, undefined, six, six] as const),
        );
      },
      { message: /needs the activation that it is the slope of/ },
    );
  });

  test('engine native: invalid sizes, and sizes whose product is too large, are refused', (t) => {
    for (const wrong of [-1, 1.5, NaN, Infinity, 2 ** 60]) {
      t.throws(() => binding.activation('silu', wrong, six, six), {
        instanceOf: TypeError,
        message: /argument 2 must be a size/,
      });
    }
    const large = 2 ** 40;
    t.throws(() => binding.add(large, large, six, six, six), { instanceOf: RangeError, message: /out of memory/ });
  });

  test('engine native: rates, random keys and thread counts out of range are refused', (t) => {
    for (const rate of [1, -0.1, NaN]) {
      t.throws(() => binding.dropout(6, rate, 0, 0, 0, six, six), { message: /must be a rate/ });
    }
    for (const key of [NaN, -1, 0.5]) {
      t.throws(() => binding.dropout(6, 0.5, key, 0, 0, six, six), { message: /must be a size/ });
    }
    t.throws(() => binding.dropout(6, 0.5, 0, 2 ** 32, 0, six, six), { message: /below 2\^32/ });
    t.throws(() => binding.dropout(6, 0.5, 0, 0, -1, six, six), { message: /must be a size/ });
    for (const threads of [0, 1e6]) {
      t.throws(() => binding.setThreads(threads), { message: /number of threads from 1 to 1024/ });
    }
  });

  test('engine native: ids outside the table and targets outside the classes are refused', (t) => {
    t.throws(() => binding.embedding(2, 3, 2, Int32Array.of(0, 2), six, six), { message: /holds 2 at 1; .* 0 to 1/ });
    const targets = Int32Array.of(-2, 0);
    t.throws(() => binding.crossEntropy(2, 3, six, targets, new Float32Array(2), new Float32Array(1)), {
      message: /holds -2 at 0/,
    });
    const two = new Float32Array(2);
    t.throws(() => binding.tokenCrossEntropy(2, 3, six, targets, two, two), { message: /holds -2 at 0/ });
    const gradient = (dLosses: Float32Array, ids: Int32Array): void => {
      binding.tokenCrossEntropyGradient(2, 3, dLosses, two, six, ids, two, new Float32Array(6));
    };
    t.throws(() => gradient(two, Int32Array.of(0, 3)), { message: /holds 3 at 1/ });
    t.throws(() => gradient(six, Int32Array.of(0, 1)), { message: /has 6 elements, the shape needs 2/ });
  });

  test('engine native: layouts that reach outside an array, and ids out of range, are refused', (t) => {
    const copied = (...layout: number[]): void => {
      binding.copy(1, Int32Array.from(layout), six, new Float32Array(6));
    };
    t.throws(() => copied(6, 1, 1, 1, 0), { message: /argument 3 has 6 elements, its layout reaches from 1 to 6/ });
    t.throws(() => copied(6, -1, 1, 0, 0), { message: /reaches from -5 to 0/ });
    t.throws(() => copied(6, 1, 2, 0, 0), { message: /argument 4 has 6 elements, its layout reaches from 0 to 10/ });
    t.throws(() => copied(0, 1, 1, 0, 0), { message: /a size below 1/ });
    t.throws(() => binding.copy(1, Int32Array.of(6, 1, 1, 0, 0), six, new Int32Array(6)), { message: /another type/ });
    t.throws(() => binding.copy(1, Int32Array.of(6, 1, 1, 0), six, six), { message: /has 4 elements, .* needs 5/ });
    t.throws(() => binding.copy(13, new Int32Array(41), six, six), { message: /more axes/ });
    const [one, two] = [Int32Array.of(2), Int32Array.of(2, 0)];
    t.throws(() => binding.gather(1, 1, 2, 1, 3, one, six, new Float32Array(3)), { message: /holds 2 at 0/ });
    t.throws(() => binding.gatherNd(1, 2, Int32Array.of(2, 3), 1, two, six, new Float32Array(1)), {
      message: /argument 5 names at 0 a slice that is not there/,
    });
    t.throws(() => binding.scatter(true, false, 1, 1, one, 3, one, new Float32Array(3), six), { message: /not there/ });
    t.throws(() => binding.oneHot(2, 3, 1, 0, one, six), { message: /has 1 elements, the shape needs 2/ });
  });

  test('engine native: reductions, rows and batches whose arrays do not fit are refused', (t) => {
    const reduce = (...sizes: number[]): void => {
      binding.reduce(0, sizes.length / 3, Int32Array.from(sizes), 1, six, new Float32Array(2));
    };
    t.throws(() => reduce(2, 4, 1), { message: /argument 5 has 6 elements, the shape needs 8/ });
    t.throws(() => reduce(3, 2, 1), { message: /argument 6 has 2 elements, the shape needs 3/ });
    t.throws(() => reduce(1, 3, 2, 1, 3, 1), { message: /does not have the sizes that a step leaves/ });
    t.throws(() => reduce(2, 3, 0), { message: /holds 0 at 2/ });
    t.throws(() => binding.reduce(6, 1, Int32Array.of(2, 3, 1), 1, six, six), { message: /no reduction/ });
    t.throws(() => binding.reduce(4, 1, Int32Array.of(2, 3, 1), 1, six, new Float32Array(2)), { message: /type/ });
    t.throws(() => binding.softmax(2, 3, six, new Float32Array(5)), { message: /has 5 elements/ });
    t.throws(() => binding.running(false, false, false, 1, 6, 1, six, new Int32Array(6)), { message: /another type/ });
    t.throws(() => binding.topK(2, 3, 4, six, six, new Int32Array(8)), { message: /no more than there are columns/ });
    t.throws(() => binding.fill(6, 2 ** 40, new Int32Array(6)), { message: /whole numbers/ });
    const of = [Int32Array.of(0, 1), Int32Array.of(0, 2)] as const;
    t.throws(() => binding.batchedProduct(2, 1, 1, 3, false, false, false, 2, 2, ...of, six, six, undefined, six), {
      message: /argument 11 holds 2 at 1/,
    });
  });

  test('engine native: running out of memory throws', (t) => {
    t.throws(() => binding.allocate(2 ** 50, true), {
      instanceOf: RangeError,
      message: /1125899906842624 bytes are needed/,
    });
  });

  test('engine native: products with empty sums or empty results are valid', (t) => {
    const y = new Float32Array(6).fill(7);
    const bias = Float32Array.of(1, 2, 3);
    const none = new Float32Array(0);
    binding.matrixProduct(
      ...([2, 3, 0, false, false, false, undefined, undefined, none, none, bias, undefined] as const),
      ...([undefined, y] as const),
    );
    t.deepEqual(y, Float32Array.of(1, 2, 3, 1, 2, 3));
    t.notThrows(() => {
      binding.matrixProduct(
        ...([0, 3, 1, false, false, false, undefined, undefined, none, bias, undefined, undefined] as const),
        ...([undefined, none] as const),
      );
      binding.activation('gelu', 0, none, none);
      binding.adamwStep(1e-3, 0.9, 0.99, 1e-8, 1, 1, [], [], [], [], [], [], [], []);
    });
  });

  test('engine native: a disposed tensor, an integer tensor and shapes that do not fit throw', (t) => {
    on(backend, () => {
      const x = tf.ones([2, 3]);
      const weight = tf.ones([3, 4]);
      const gone = tf.ones([3, 4]);
      gone.dispose();
      t.throws(() => linear(x, gone), { message: /disposed/ });
      t.throws(() => linear(x, tf.ones([3, 4], 'int32')));
      t.throws(() => linear(x, tf.ones([2, 4])));
      t.throws(() => linear(x, weight, { bias: tf.ones([3]) }));
      t.throws(() => layerNorm(x, tf.ones([2])));
      t.throws(() => causalAttention(tf.ones([1, 2, 7]), 2));
      t.throws(() => embedding(tf.tensor2d([[3]], [1, 1], 'int32'), x), { message: /holds 3/ });
      t.throws(() => softmaxCrossEntropy(tf.ones([1, 2, 3]), tf.tensor2d([[0, 3]], [1, 2], 'int32')));
      t.deepEqual(
        [...linear(x, weight).dataSync()],
        Array.from({ length: 8 }, () => 3),
      );
    });
  });
}
