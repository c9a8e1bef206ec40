import test from 'ava';
import fc from '../../../property.js';
import { tf } from '../../../../core/index.js';
import { gelu, linear, registerOps } from '../../../../plugins/index.js';
import { loadBinding } from '../../../../plugins/engines/native/binding.js';
import { families, normals, type Case } from '../../ops/cases.js';
import { assertClose, compute, F32_TOLERANCE, on } from '../../ops/compare.js';
import { availableEngines, makeReady } from '../../ops/engines.js';
import { engineNeed, skipped } from '../../../needs.js';

const RUNS = 15;

/** For operands rounded to bfloat16, which has 8 bits of mantissa, in products of some tens of terms. */
const BF16_TOLERANCE = 6e-2;

/** For a sum of products in float32, relative to the sum of their magnitudes: some units of 2^-24. */
const F32_PRODUCT_ERROR = 5e-7;

const native = (await availableEngines()).find(({ name }) => name === 'native');
if (native?.works !== true) {
  skipped('engine native: variants', await engineNeed('native'));
} else {
  const f32 = native.backend;
  const bf16 = await makeReady('native', 'precision=bf16');
  await makeReady('cpu');
  registerOps('cpu');
  const binding = loadBinding();

  test.serial('engine native: the portable variant is available on every machine', (t) => {
    t.true(binding.variants().includes('portable'));
    t.throws(() => binding.useVariant('avx9000'), { message: /no kernels for avx9000/ });
  });

  for (const variant of binding.variants()) {
    test.serial(
      `linear: engine native divides large products among threads and along the inner dimension, ${variant}`,
      (t) => {
        binding.useVariant(variant);
        binding.setThreads(2);
        for (const drawn of largeProducts()) {
          compute(drawn, 'cpu', toBf16).forEach((expected, i) => {
            assertClose(compute(drawn, f32, toBf16)[i], expected, `f32, tensor ${String(i)}`);
            assertClose(compute(drawn, bf16, toBf16)[i], expected, `bf16, tensor ${String(i)}`);
          });
        }
        t.pass();
      },
    );

    test.serial(`matMul: engine native in f32 has the precision of float32, ${variant}`, (t) => {
      binding.useVariant(variant);
      for (const inner of [9, 40, 1500])
        t.true(errorOfProduct(f32, inner) < F32_PRODUCT_ERROR, `inner ${String(inner)}`);
    });

    test.serial(
      `gelu: engine native is within 3e-7 of the normal distribution, as is its derivative, ${variant}`,
      (t) => {
        binding.useVariant(variant);
        const xs = Float32Array.from({ length: 4001 }, (_, i) => (i - 2000) / 200);
        const [values, slopes] = on(f32, () => {
          const x = tf.tensor1d(xs);
          return [gelu(x), tf.grad((y) => gelu(y))(x)].map((y) => y.dataSync<'float32'>().slice());
        });
        xs.forEach((x, i) => {
          const phi = normalDistribution(x);
          const slope = phi + (x * Math.exp(-x * x * 0.5)) / Math.sqrt(2 * Math.PI);
          const error = Math.abs(values![i]! - x * phi) / Math.max(1, Math.abs(x));
          if (error > 3e-7) t.fail(`value at ${String(x)}: ${String(error)}`);
          if (Math.abs(slopes![i]! - slope) > 3e-7) t.fail(`slope at ${String(x)}: ${String(slopes![i])}`);
        });
        t.pass();
      },
    );

    for (const { name, cases } of families) {
      test.serial(`${name}: engine native computes what the composite computes, ${variant}`, (t) => {
        binding.useVariant(variant);
        fc.assert(
          fc.property(cases, (drawn) => {
            compute(drawn, 'cpu').forEach((expected, i) => {
              assertClose(compute(drawn, f32)[i], expected, `tensor ${String(i)}`);
            });
          }),
          { numRuns: RUNS },
        );
        t.pass();
      });

      // Products of numbers that bfloat16 represents are exact: only intermediate steps of other operations round.
      const exact = name === 'linear';
      test.serial(`${name}: engine native in bf16 is ${exact ? 'exact on bf16 numbers' : 'near'}, ${variant}`, (t) => {
        binding.useVariant(variant);
        fc.assert(
          fc.property(cases, (drawn) => {
            const rounded = exact ? toBf16 : undefined;
            const found = compute(drawn, bf16, rounded);
            compute(drawn, 'cpu', rounded).forEach((expected, i) => {
              assertClose(found[i], expected, `tensor ${String(i)}`, exact ? F32_TOLERANCE : BF16_TOLERANCE);
            });
          }),
          { numRuns: RUNS },
        );
        t.pass();
      });
    }
  }
}

/** Phi(x), by its series: 1/2 + Phi'(x) (x + x^3 / 3 + x^5 / (3 · 5) + ...), of terms of one sign. */
function normalDistribution(x: number): number {
  let [sum, term] = [0, x];
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n += 2) {
    sum += term;
    term *= (x * x) / (n + 2);
  }
  return 0.5 + (sum * Math.exp(-x * x * 0.5)) / Math.sqrt(2 * Math.PI);
}

function largeProducts(): Case[] {
  const sizes = [
    [75, 1100, 130],
    [40, 70, 900],
    [300, 33, 65],
    [1, 1100, 900],
  ] as const;
  return sizes.map(([rows, inner, columns]) => ({
    inputs: normals(rows, [1, rows, inner], [inner, columns], [columns], [1, rows, columns]),
    apply: (x, weight, bias, residual) => linear(x, weight, { bias, residual }),
  }));
}

/** Returns the largest error of a product [50, inner] · [inner, 70], relative to the sum of the terms' magnitudes. */
function errorOfProduct(backend: string, inner: number): number {
  const [rows, columns] = [50, 70];
  const [left, right] = normals(11, [rows, inner], [inner, columns]);
  const [a, b] = [left!.values, right!.values];
  const found = on(backend, () =>
    tf
      .matMul(tf.tensor2d(a, [rows, inner]), tf.tensor2d(b, [inner, columns]))
      .dataSync<'float32'>()
      .slice(),
  );
  const errors = Array.from(found, (value, at) => {
    let [sum, magnitudes] = [0, 0];
    for (let k = 0; k < inner; k++) {
      const term = a[Math.floor(at / columns) * inner + k]! * b[k * columns + (at % columns)]!;
      sum += term;
      magnitudes += Math.abs(term);
    }
    return Math.abs(value - sum) / magnitudes;
  });
  return errors.reduce((most, error) => Math.max(most, error), 0);
}

/** Rounds to the nearest bfloat16 number, ties to even. */
function toBf16(values: Float32Array): Float32Array {
  const bits = new Uint32Array(values.slice().buffer);
  const rounded = bits.map((word) => (word + 0x7fff + ((word >>> 16) & 1)) & 0xffff0000);
  return new Float32Array(rounded.buffer);
}
