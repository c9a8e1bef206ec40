import test from 'ava';
import { loadBinding } from '../../../../plugins/engines/native/binding.js';
import { RandomStreams } from '../../../../core/index.js';
import { availableEngines } from '../../ops/engines.js';
import { engineNeed, skipped } from '../../../needs.js';

const ROWS = 7;
const sizes = [
  { n: 1, k: 1 },
  { n: 70, k: 33 },
  { n: 131, k: 200 },
];

const native = (await availableEngines()).find(({ name }) => name === 'native');
if (native?.works !== true) {
  skipped('engine native: products of few rows', await engineNeed('native'));
} else {
  const binding = loadBinding();
  const random = new RandomStreams(1).stream('few rows');
  const numbers = (length: number): Float32Array => Float32Array.from({ length }, () => random.normal());
  const variants = binding.variants();
  const inVariant = (name: string, work: () => void): void => {
    binding.useVariant(name);
    try {
      work();
    } finally {
      binding.useVariant('');
      binding.setThreads(1);
    }
  };

  for (const variant of variants) {
    test.serial(
      `engine native, ${variant}: a row's product is correct, and the same alone, with other rows and on several threads`,
      (t) => {
        inVariant(variant, () => {
          for (const { n, k } of sizes)
            for (const bf16 of [true, false])
              for (const transposed of [true, false])
                for (const activation of ['gelu_tanh', undefined] as const) {
                  const [a, b, bias, residual] = [numbers(ROWS * k), numbers(n * k), numbers(n), numbers(ROWS * n)];
                  const kept = binding.keepMatrix(n, k, transposed, b);
                  const product = (first: number, rows: number): Float32Array => {
                    const y = new Float32Array(rows * n);
                    const [x, added] = [
                      a.slice(first * k, (first + rows) * k),
                      residual.slice(first * n, (first + rows) * n),
                    ];
                    if (bf16) binding.keptProduct(rows, n, k, activation, x, kept, bias, added, y);
                    else binding.rowProduct(rows, n, k, transposed, false, activation, x, b, bias, added, y);
                    return y;
                  };
                  binding.setThreads(1);
                  const together = product(0, ROWS);
                  binding.setThreads(3);
                  const what = JSON.stringify({ n, k, bf16, transposed, activation });
                  t.deepEqual(product(0, ROWS), together, what);
                  for (let row = 0; row < ROWS; row++)
                    t.deepEqual(product(row, 1), together.slice(row * n, (row + 1) * n), what);
                  const expected = new Float32Array(ROWS * n);
                  const [given, others] = [
                    [ROWS, n, k, false, transposed, bf16, activation, undefined, a, b] as const,
                    [bias, residual] as const,
                  ];
                  binding.matrixProduct(...given, ...others, undefined, expected);
                  // Sums of k products in another order.
                  const off = together.findIndex((value, i) => Math.abs(value - (expected[i] ?? NaN)) > 1e-5 * (k + 1));
                  t.is(off, -1, `${what}: ${String(together[off])} for ${String(expected[off])}`);
                }
        });
      },
    );

    test.serial(`engine native, ${variant}: attention of the next position equals its definition`, (t) => {
      inVariant(variant, () => {
        const [texts, heads, keyValueHeads, part, capacity, position] = [3, 6, 2, 5, 9, 6];
        const [queries, width] = [heads * part, keyValueHeads * part];
        const row = queries + 2 * width;
        const [qkv, keys, values] = [
          numbers(texts * row),
          numbers(texts * capacity * width),
          numbers(texts * capacity * width),
        ];
        const [before, y] = [keys.slice(), new Float32Array(texts * queries)];
        binding.nextAttention(texts, heads, keyValueHeads, part, capacity, position, qkv, keys, values, y);
        for (let text = 0; text < texts; text++)
          for (let head = 0; head < heads; head++) {
            const shared = Math.floor(head / 3) * part;
            const place = (s: number): number => (text * capacity + s) * width + shared;
            const [query, key] = [text * row + head * part, text * row + queries + shared];
            const dots = Array.from({ length: position + 1 }, (_, s) =>
              Array.from({ length: part }, (_, j) => (qkv[query + j] ?? 0) * (keys[place(s) + j] ?? 0)).reduce(
                (x, z) => x + z,
              ),
            );
            const weights = dots.map((dot) => Math.exp(dot / Math.sqrt(part)));
            const sum = weights.reduce((x, z) => x + z);
            for (let j = 0; j < part; j++) {
              const expected = weights.reduce(
                (total, weight, s) => total + (weight / sum) * (values[place(s) + j] ?? 0),
                0,
              );
              t.true(Math.abs((y[text * queries + head * part + j] ?? NaN) - expected) < 1e-5);
              t.is(keys[place(position) + j], qkv[key + j]);
              t.is(values[place(position) + j], qkv[key + width + j]);
              t.is(keys[place(position + 1) + j], before[place(position + 1) + j]);
            }
          }
      });
    });
  }

  test('engine native: a packed matrix of another size, and a position beyond the capacity, are refused', (t) => {
    const six = new Float32Array(6);
    t.throws(() => binding.keptProduct(1, 6, 6, undefined, six, new ArrayBuffer(8), undefined, undefined, six), {
      message: /argument 6 has 8 elements/,
    });
    t.throws(() => binding.nextAttention(1, 1, 1, 2, 3, 3, six, six, six, six.slice(0, 2)), {
      message: /must be below the capacity/,
    });
    t.throws(() => binding.nextAttention(1, 3, 2, 1, 3, 0, six, six, six, six.slice(0, 2)), {
      message: /must divide the heads of queries/,
    });
  });
}
