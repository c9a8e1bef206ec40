import test from 'ava';
import fc from '../../../property.js';
import { tf } from '../../../../core/index.js';
import { loadBinding } from '../../../../plugins/engines/native/binding.js';
import { normals } from '../../ops/cases.js';
import { on } from '../../ops/compare.js';
import { availableEngines, makeReady } from '../../ops/engines.js';
import { engineNeed, skipped } from '../../../needs.js';

type Unary = (x: tf.Tensor) => tf.Tensor;
type Binary = (a: tf.Tensor, b: tf.Tensor) => tf.Tensor;

/**
 * Each with its error in units in the last place against the cpu backend, which computes in double precision and rounds;
 * where that loses what is small, against another way to compute it.
 */
const UNARY: Record<string, readonly [units: number, apply: Unary, double?: (x: number) => number]> = {
  neg: [0, (x) => tf.neg(x)],
  abs: [0, (x) => tf.abs(x)],
  exp: [1, (x) => tf.exp(x)],
  expm1: [2, (x) => tf.expm1(x)],
  log: [1, (x) => tf.log(x)],
  log1p: [3, (x) => tf.log1p(x)],
  sqrt: [0, (x) => tf.sqrt(x)],
  rsqrt: [1, (x) => tf.rsqrt(x)],
  square: [0, (x) => tf.square(x)],
  reciprocal: [0, (x) => tf.reciprocal(x)],
  relu: [0, (x) => tf.relu(x)],
  relu6: [0, (x) => tf.relu6(x)],
  leakyRelu: [0, (x) => tf.leakyRelu(x, 0.125)],
  elu: [2, (x) => tf.elu(x), (x) => (x >= 0 ? x : Math.expm1(x))],
  selu: [3, (x) => tf.selu(x), (x) => SELU_SCALE * (x >= 0 ? x : SELU_ALPHA * Math.expm1(x))],
  softplus: [3, (x) => tf.softplus(x), (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))],
  sigmoid: [3, (x) => tf.sigmoid(x)],
  tanh: [2, (x) => tf.tanh(x)],
  sin: [1, (x) => tf.sin(x)],
  cos: [1, (x) => tf.cos(x)],
  floor: [0, (x) => tf.floor(x)],
  ceil: [0, (x) => tf.ceil(x)],
  // Half to even; the cpu backend rounds -0.5 to 0.
  round: [0, (x) => tf.add(tf.round(x), 0)],
  sign: [0, (x) => tf.sign(x)],
  step: [0, (x) => tf.step(x, 0.5)],
  clip: [0, (x) => tf.clipByValue(x, -0.75, 2)],
  isNaN: [0, (x) => tf.isNaN(x)],
  isFinite: [0, (x) => tf.isFinite(x)],
  isInf: [0, (x) => tf.isInf(x)],
  toInts: [0, (x) => tf.cast(x, 'int32')],
  toTruths: [0, (x) => tf.cast(x, 'bool')],
};

const BINARY: Record<string, readonly [number, Binary]> = {
  add: [0, (a, b) => tf.add(a, b)],
  sub: [0, (a, b) => tf.sub(a, b)],
  mul: [0, (a, b) => tf.mul(a, b)],
  div: [0, (a, b) => tf.div(a, b)],
  floorDiv: [0, (a, b) => tf.floorDiv(a, b)],
  mod: [0, (a, b) => tf.mod(a, b)],
  pow: [1, (a, b) => tf.pow(a, b)],
  maximum: [0, (a, b) => tf.maximum(a, b)],
  minimum: [0, (a, b) => tf.minimum(a, b)],
  squaredDifference: [2, (a, b) => tf.squaredDifference(a, b)],
  equal: [0, (a, b) => tf.equal(a, b)],
  notEqual: [0, (a, b) => tf.notEqual(a, b)],
  less: [0, (a, b) => tf.less(a, b)],
  lessEqual: [0, (a, b) => tf.lessEqual(a, b)],
  greater: [0, (a, b) => tf.greater(a, b)],
  greaterEqual: [0, (a, b) => tf.greaterEqual(a, b)],
  logicalAnd: [0, (a, b) => tf.logicalAnd(tf.greater(a, 0), tf.less(b, 1))],
  logicalOr: [0, (a, b) => tf.logicalOr(tf.greater(a, 0), tf.logicalNot(tf.less(b, 1)))],
  where: [0, (a, b) => tf.where(tf.less(a, b), a, b)],
  prelu: [0, (a, b) => tf.prelu(a, b)],
};

const OF_INTEGERS: Record<string, Binary> = {
  add: (a, b) => tf.add(a, b),
  sub: (a, b) => tf.sub(a, b),
  mul: (a, b) => tf.mul(tf.add(a, b), tf.scalar(1000003, 'int32')),
  floorDiv: (a, b) => tf.floorDiv(a, b),
  mod: (a, b) => tf.mod(a, b),
  maximum: (a, b) => tf.maximum(a, b),
  minimum: (a, b) => tf.minimum(a, b),
  equal: (a, b) => tf.equal(a, b),
  less: (a, b) => tf.less(a, b),
  greaterEqual: (a, b) => tf.greaterEqual(a, b),
  where: (a, b) => tf.where(tf.notEqual(a, b), tf.neg(a), tf.abs(tf.maximum(b, tf.scalar(-8, 'int32')))),
  toFloats: (a, b) => tf.add(tf.cast(a, 'float32'), tf.cast(tf.lessEqual(a, b), 'float32')),
  toTruths: (a, b) => tf.logicalAnd(tf.cast(a, 'bool'), tf.greater(a, b)),
};

const [SELU_SCALE, SELU_ALPHA] = [1.0507009873554805, 1.6732632423543772];

/** Zeros, infinities, NaN, the largest and smallest numbers, and points where functions change form. */
const SPECIAL = [
  ...[0, -0, 1, -1, 2, 3, 0.5, -0.5, 1.5, 2.5, -2.5, 6, 0.625, 4, NaN, Infinity, -Infinity, 3.4028235e38],
  ...[-3.4028235e38, 1.17549435e-38, 1e-45, -1e-45, 1e-20, -1e-20, 88.7, 88.73, 89, -87.4, -95, -103.9, -104.1, -17],
  ...[2147483648, -2147483648, 4294967297, 1e10, 1e6, 999999, 1e7, -12345678, 0.99999994, 1.0000001, -0.99999994],
];

const native = (await availableEngines()).find(({ name }) => name === 'native');
if (native?.works !== true) {
  skipped('engine native: elementwise operations', await engineNeed('native'));
} else {
  const { backend } = native;
  await makeReady('cpu');
  const binding = loadBinding();
  const numbers = Float32Array.of(...SPECIAL, ...spread(900));

  for (const variant of binding.variants()) {
    test.serial(`engine native: elementwise operations equal the cpu backend’s, ${variant}`, (t) => {
      binding.useVariant(variant);
      const faults: string[] = [];
      for (const [name, [units, apply, double]] of Object.entries(UNARY)) {
        const compute = (): Float32Array => valuesOf(apply(tf.tensor1d(numbers)));
        const expected = double === undefined ? on('cpu', compute) : numbers.map(double);
        faults.push(...apart(name, on(backend, compute), expected, units, numbers));
      }
      // Each special number paired with each.
      const columns = [...SPECIAL, ...spread(40)];
      for (const [name, [units, apply]] of Object.entries(BINARY)) {
        const compute = (): Float32Array =>
          valuesOf(apply(tf.tensor2d(columns, [columns.length, 1]), tf.tensor1d(columns)));
        faults.push(...apart(name, on(backend, compute), on('cpu', compute), units));
      }
      t.deepEqual(faults, []);
    });

    test.serial(`engine native: erf is within 2 units in the last place, ${variant}`, (t) => {
      binding.useVariant(variant);
      const xs = Float32Array.from({ length: 2001 }, (_, i) => (i - 1000) / 180);
      const found = on(backend, () => valuesOf(tf.erf(tf.tensor1d(xs))));
      t.deepEqual(apart('erf', found, Float32Array.from(xs, errorFunction), 2, xs), []);
      t.deepEqual(
        [...on(backend, () => valuesOf(tf.erf(tf.tensor1d([Infinity, -Infinity, NaN, 1e-30]))))],
        [1, -1, NaN, Math.fround(1e-30 * (2 / Math.sqrt(Math.PI)))],
      );
    });
  }

  test.serial('engine native: elementwise operations on integers and booleans equal the cpu backend’s', (t) => {
    const a = Int32Array.of(0, 1, -1, 7, -7, 2 ** 24, -(2 ** 31), 46341, 100000, 3);
    for (const [name, apply] of Object.entries(OF_INTEGERS)) {
      const compute = (): number[] => {
        const y = apply(tf.tensor2d(a, [a.length, 1], 'int32'), tf.tensor1d([...a].toReversed(), 'int32'));
        return [y.dtype.length, ...y.dataSync()];
      };
      t.deepEqual(on(backend, compute), on('cpu', compute), name);
    }
  });

  test.serial('engine native: elementwise operations broadcast like the cpu backend’s', (t) => {
    const axis = fc.constantFrom(1, 1, 2, 3, 5, 17);
    const shapes = fc
      .array(axis, { minLength: 0, maxLength: 5 })
      .chain((shape) =>
        fc
          .tuple(...[0, 1, 2].map(() => fc.tuple(fc.nat(shape.length), fc.array(fc.boolean(), { maxLength: 5 }))))
          .map((ways) =>
            ways.map(([from, ones]) => shape.slice(from).map((size, index) => (ones[index] === true ? 1 : size))),
          ),
      );
    fc.assert(
      fc.property(shapes, fc.nat(), fc.nat(2), (drawn, seed, reshaped) => {
        const compute = (): [number[], number[]] => {
          const [a, b, c] = normals(seed, ...drawn).map(({ values, shape }) => tf.tensor(values, shape));
          const sum = tf.add(a!, b!);
          const again = reshaped === 0 ? tf.reshape(tf.reshape(sum, [-1]), sum.shape) : sum;
          const y = tf.maximum(tf.mul(again, c!), tf.sub(b!, 0.5));
          return [y.shape, [...y.dataSync()]];
        };
        t.deepEqual(on(backend, compute), on('cpu', compute));
      }),
      { numRuns: 150 },
    );
  });

  test.serial('engine native: threads share large tensors, and the last elements are computed too', (t) => {
    const drawn = normals(5, [331, 257], [257], [331, 1]);
    const compute = (): number[] => {
      const [a, row, column] = drawn.map(({ values, shape }) => tf.tensor(values, shape));
      return [...tf.add(tf.mul(a!, row!), column!).dataSync()];
    };
    const expected = on('cpu', compute);
    for (const threads of [1, 3]) {
      binding.setThreads(threads);
      const found = on(backend, compute);
      // One multiplication and one addition, each rounded to the nearest float32.
      t.deepEqual(found, expected, `${String(threads)} threads`);
    }
    binding.setThreads(2);
  });

  test.serial('engine native: an invalid plan is refused', (t) => {
    const array = new Float32Array(4);
    const names = binding.elementwiseNames();
    const rowStep = (name: string, number: number, columns: number): number[] => {
      const words = new Int32Array(Float64Array.of(number).buffer);
      return [1, binding.rowStepNames().indexOf(name), 1, 0, 0, 0, columns, ...words];
    };
    const negate = [0, names.indexOf('neg'), 1, 0, 0, 0, 1, 0, 0];
    const plan = (...words: number[]): Int32Array => Int32Array.from(words);
    binding.elementwise(plan(4, 2, 1, 1, 1, 1, 0, 1, 4, 1, ...negate, 1, 0, 1), Float32Array.of(1, 2, 3, 4), array);
    t.deepEqual(array, Float32Array.of(-1, -2, -3, -4));
    const sums = new Float32Array(2);
    const ofRows = (step: number[], columns = 1): Int32Array =>
      plan(2, 2, 1, 1, 1, 2, 0, 1, 4, 1, ...step, columns, 0, 1);
    binding.elementwise(ofRows(rowStep('sumOfRow', 2, 1)), Float32Array.of(1, 2, 3, 4), sums);
    t.deepEqual(sums, Float32Array.of(6, 14));
    for (const [wrong, message] of [
      [plan(4, 2, 1, 1), /too short/],
      [plan(4, 2, 1, 1, 1, 1, 0, 1, 5, 1, ...negate, 1, 0, 1), /not those of the result/],
      [plan(4, 2, 1, 1, 1, 1, 0, 1, 4, 2, ...negate, 1, 0, 1), /has 4 elements, the shape needs 7/],
      [plan(4, 2, 1, 1, 1, 1, 0, 1, 4, -1, ...negate, 1, 0, 1), /negative/],
      [plan(4, 2, 1, 1, 1, 1, 0, 1, 4, 1, 0, 999, 1, 0, 0, 0, 1, 0, 0, 1, 0, 1), /holds 999/],
      [plan(4, 2, 1, 1, 1, 1, 0, 1, 4, 1, ...negate, 1, 0, 2), /holds 2/],
      [plan(4, 2, 1, 1, 1, 1, 1, 1, 4, 1, ...negate, 1, 0, 1), /of the elements' type/],
      [plan(4, 3, 1, 1, 1, 1, 0, 1, 4, 1, ...negate, 1, 0, 2), /was not written/],
      [plan(4, 2, 1, 1, 1, 1, 0, 1, 4, 1, ...negate, 2, 0, 1), /another width/],
      [ofRows(rowStep('sumOfRow', 1, 2), 2), /of other widths/],
      [ofRows(rowStep('spread', 0, 4), 4), /of other widths/],
      [ofRows(rowStep('softmaxOfRow', 0, 1)), /of other widths/],
      [ofRows(rowStep('partOfRow', 2, 1)), /of other widths/],
      [ofRows(rowStep('partOfRow', Number.NaN, 1)), /of other widths/],
      [ofRows(rowStep('joinedRows', 0, 2), 2), /of other widths/],
    ] as const)
      t.throws(() => binding.elementwise(wrong, array, array), { instanceOf: TypeError, message });
  });
}

function valuesOf(tensor: tf.Tensor): Float32Array {
  return Float32Array.from(tensor.dataSync());
}

/** Numbers of both signs and all magnitudes, many of them where most functions bend. */
function spread(count: number): number[] {
  return Array.from({ length: count }, (_, i) =>
    i % 3 === 0 ? (i - count / 2) / (count / 24) : Math.sin(i * 7.3) * 10 ** (((i * 37) % 47) - 38 + (i % 2) * 20),
  );
}

/** Returns what differs by more units in the last place; a zero's sign counts, a NaN's bits do not. */
function apart(
  name: string,
  found: Float32Array,
  expected: Float32Array,
  units: number,
  at: Float32Array = new Float32Array(expected.length),
): string[] {
  return [...expected.entries()]
    .filter(([index, value]) => !isNear(found[index] ?? NaN, value, units))
    .map(
      ([index, value]) =>
        `${name}(${String(at[index])}) at ${String(index)}: ${String(found[index])}, not ${String(value)}`,
    )
    .slice(0, 5);
}

function isNear(found: number, expected: number, units: number): boolean {
  if (Object.is(found, expected)) return true;
  // The cpu backend's numbers below the normal ones are those of double precision; a sum of two functions may have none.
  if (units === 0 || Number.isNaN(found) || Number.isNaN(expected)) return false;
  return Math.abs(ordinal(found) - ordinal(expected)) <= units;
}

/** Returns the number's index among all float32 numbers. */
function ordinal(value: number): number {
  const bits = new Int32Array(Float32Array.of(value).buffer)[0]!;
  return bits < 0 ? -(bits & 0x7fffffff) : bits;
}

/** By its series, all of whose terms have one sign; near 1 from the remaining tail's continued fraction. */
function errorFunction(x: number): number {
  const a = Math.abs(x);
  if (a > 5) return Math.sign(x);
  let [sum, term] = [0, a];
  for (let n = 1; term > 1e-18 * sum; n += 2) {
    sum += term;
    term *= (2 * a * a) / (n + 2);
  }
  return Math.sign(x) * sum * Math.exp(-a * a) * (2 / Math.sqrt(Math.PI));
}
