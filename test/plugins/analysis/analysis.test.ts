import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import fc from '../../property.js';
import { Matrix as Dense, QrDecomposition } from 'ml-matrix';
import { z } from 'zod';
import { RandomStreams } from '../../../core/index.js';
import type { Matrix } from '../../../plugins/models/contract.js';
import { readSafetensors } from '../../../plugins/checkpoint/safetensors/read.js';
import { pairwiseCosines, unitRows } from '../../../plugins/analysis/analysis/kernels/cosine.js';
import { smallerGram } from '../../../plugins/analysis/analysis/kernels/gram.js';
import { measures } from '../../../plugins/analysis/analysis/measures.js';
import { alignedSimilarity, rankUtilisation } from '../../../plugins/analysis/analysis/spectra.js';
import { quantile } from '../../../plugins/analysis/analysis/statistics.js';
import { viewModel } from '../../../plugins/models/gpt/inspect.js';
import { testRun } from '../../../plugins/testing/contract.js';
import { emptyFolder } from '../../e2e/command.js';
import { linux, needing, peersPython, python } from '../../needs.js';

const TOLERANCE = 1e-5;
const fixture = z.record(
  z.string(),
  z.object({
    model: z.record(z.string(), z.unknown()),
    tokens: z.array(z.int()),
    windows: z.array(z.array(z.int())),
    values: z.record(z.string(), z.number()),
  }),
);
const cases = fixture.parse(JSON.parse(readFileSync('test/fixtures/analysis/expected.json', 'utf8')));

for (const [name, { model, tokens, windows, values }] of Object.entries(cases)) {
  test(`${name}: every measure is NumPy's and SciPy's`, async (t) => {
    const weights = await readSafetensors(`test/fixtures/analysis/${name}.safetensors`);
    const before = weights.get('before');
    if (!(before?.values instanceof Float32Array)) throw new Error('the fixture has no embedding of before');
    const [rows = 0, columns = 0] = before.shape;
    const found = measures({
      view: viewModel(model, weights),
      before: { rows, columns, values: before.values },
      ids: Int32Array.from(tokens),
      windows: windows.map((ids) => Int32Array.from(ids)),
    });
    t.deepEqual(Object.keys(found).sort(), Object.keys(values).sort());
    for (const [metric, value] of Object.entries(values)) {
      const error = Math.abs((found[metric] ?? NaN) - value) / Math.max(Math.abs(value), 1e-12);
      t.true(error < TOLERANCE, `${metric}: ${String(found[metric])} in place of ${String(value)}`);
    }
  });
}

needing(python('numpy', 'scipy', 'safetensors'))('what is expected is what NumPy and SciPy say today', (t) => {
  const folder = emptyFolder(t);
  execFileSync(peersPython, ['test/fixtures/analysis/make.py', folder], { stdio: 'pipe' });
  const made = fixture.parse(JSON.parse(readFileSync(path.join(folder, 'expected.json'), 'utf8')));
  for (const [name, { values, ...given }] of Object.entries(cases)) {
    t.deepEqual({ ...made[name], values: {} }, { ...given, values: {} });
    for (const [metric, value] of Object.entries(values)) {
      t.true(Math.abs((made[name]?.values[metric] ?? NaN) - value) < 1e-9, `${name}: ${metric}`);
    }
  }
});

function randomMatrix(seed: number, rows: number, columns: number): Matrix {
  const random = new RandomStreams(seed).at('matrix', 0);
  return { rows, columns, values: Float64Array.from({ length: rows * columns }, () => random.normal()) };
}

const size = fc.integer({ min: 1, max: 70 });
const seed = fc.integer({ min: 0, max: 1e6 });

test('comparing in blocks covers every pair exactly once', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 100 }), fc.integer({ min: 1, max: 8 }), seed, (count, width, from) => {
      const { values } = randomMatrix(from, count, width);
      const rows = unitRows(
        values,
        width,
        Int32Array.from({ length: count }, (_, i) => i),
      );
      const { similarities, neighbours } = pairwiseCosines(rows, count, 0.7);
      const expected: number[] = [];
      const near = new Float64Array(count);
      for (let a = 0; a < count; a++) {
        for (let b = 0; b < count; b++) {
          let cosine = 0;
          for (let j = 0; j < width; j++) cosine += (rows[a * width + j] ?? 0) * (rows[b * width + j] ?? 0);
          if (a < b) expected.push(cosine);
          if (a !== b && cosine > 0.7) near[a]! += 1;
        }
      }
      t.deepEqual(similarities.sort(), Float64Array.from(expected).sort());
      t.deepEqual(neighbours, near);
    }),
    { numRuns: 30 },
  );
});

test('an embedding that is only rotated or mirrored has no drift', (t) => {
  fc.assert(
    fc.property(size, fc.integer({ min: 1, max: 12 }), seed, (rows, width, from) => {
      const before = randomMatrix(from, rows, width);
      const { values: free } = randomMatrix(from + 1, width, width);
      const turn = new QrDecomposition(Dense.from1DArray(width, width, [...free])).orthogonalMatrix;
      const turned = Dense.from1DArray(rows, width, [...before.values]).mmul(turn);
      const now = { ...before, values: Float64Array.from(turned.to1DArray()) };
      t.true(Math.abs(alignedSimilarity(before, now) - 1) < 1e-9);
    }),
    { numRuns: 30 },
  );
});

test('the Gram matrix has the shorter side, and each entry is the product of two rows or columns', (t) => {
  fc.assert(
    fc.property(size, size, seed, (rows, columns, from) => {
      const { values } = randomMatrix(from, rows, columns);
      const w = Dense.from1DArray(rows, columns, values);
      const expected = rows <= columns ? w.mmul(w.transpose()) : w.transpose().mmul(w);
      const found = smallerGram(values, rows, columns);
      t.is(found.length, expected.size);
      expected.to1DArray().forEach((value, i) => {
        t.true(Math.abs((found[i] ?? NaN) - value) < 1e-11);
      });
    }),
    { numRuns: 30 },
  );
});

test('a matrix with equal singular values uses 98 % of them', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 20, max: 30 }), seed, (rank, columns, from) => {
      const rows = 20;
      const orthonormal = (count: number, of: number): Dense =>
        new QrDecomposition(Dense.from1DArray(of, count, [...randomMatrix(from, of, count).values])).orthogonalMatrix;
      const w = orthonormal(rank, rows).mmul(orthonormal(rank, columns).transpose());
      const matrix = { rows, columns, values: Float64Array.from(w.to1DArray()) };
      t.is(rankUtilisation(matrix), Math.ceil(0.98 * rank - 1e-9) / rows);
      const transposed = { rows: columns, columns: rows, values: Float64Array.from(w.transpose().to1DArray()) };
      t.is(rankUtilisation(transposed), rankUtilisation(matrix));
    }),
    { numRuns: 20 },
  );
  t.is(rankUtilisation({ rows: 3, columns: 3, values: new Float64Array(9) }), undefined);
});

test('quantiles are interpolated between neighbouring values', (t) => {
  const sorted = Float64Array.of(1, 2, 4, 8);
  t.is(quantile(sorted, 0), 1);
  t.is(quantile(sorted, 1), 8);
  t.is(quantile(sorted, 0.5), 3);
  t.is(quantile(Float64Array.of(5), 0.9), 5);
});

needing(linux()).serial('the thread has low priority on Linux, and ends with the run', async (t) => {
  const niceness = (): number[] =>
    readdirSync('/proc/self/task').map((thread) =>
      Number(readFileSync(`/proc/self/task/${thread}/stat`, 'utf8').split(') ')[1]?.split(' ')[16]),
    );
  await using made = await testRun({ iterations: 2, plugins: [['analysis', { wait_seconds: 240 }]] });
  const { run } = made;
  await run.train();
  t.is(niceness().filter((nice) => nice === 19).length, 1);
  await run.dispose();
  t.false(niceness().includes(19));
});

test('analyses of iterations that a rollback has undone are dropped, and made again later', async (t) => {
  const options = { interval: 1, max_tokens: 10, attention_rows: 0, max_cost: 1, max_memory: 1, wait_seconds: 120 };
  await using made = await testRun({ plugins: [['analysis', options]] });
  const { run } = made;
  const told: number[] = [];
  run.bus.on('metrics', ({ iteration }) => told.push(iteration));
  const evaluated = { iteration: 4, losses: { train: 1, val: 1 } };
  await run.bus.dispatch('evaluation:end', evaluated);
  const back = { what: 'run', from: 4, to: 3, path: 'out/checkpoints/000003', reason: 'a test' } as const;
  await run.bus.dispatch('run:rollback', { ...back, state: run.state });
  await run.bus.dispatch('training:end', { iteration: 3 });
  t.false(told.includes(4));
  await run.bus.dispatch('evaluation:end', evaluated);
  await run.bus.dispatch('training:end', { iteration: 4 });
  t.deepEqual(
    told.filter((iteration) => iteration === 4),
    [4],
  );
});
