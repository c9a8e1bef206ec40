import test from 'ava';
import fc from '../../property.js';
import { RandomStreams, tf, type Batch } from '../../../core/index.js';
import { Sampler } from '../../../plugins/batches/importance/sampler.js';
import { SumTree } from '../../../plugins/batches/importance/sum-tree.js';
import { assertResumes, assertTwoRanks, testRun, type TestRunOptions } from '../../../plugins/testing/contract.js';

const settings = { uniform: 0.25, memory: 0.5, first: 3 };
const counts = fc.array(fc.nat(6), { minLength: 1, maxLength: 40 }).filter((all) => all.some((count) => count > 0));
const losses = fc.array(fc.double({ min: 0, max: 20, noNaN: true }), { minLength: 1, maxLength: 30 });

/** Batches of 2 windows, drawn by their losses, of a model without dropout. */
const options: TestRunOptions = {
  set: ['batches={strategy: importance}', 'model.dropout=0', 'train.gradient_accumulation_steps=2'],
};

test('each number is found in proportion to its share of the total, and never a 0', (t) => {
  fc.assert(
    fc.property(counts, (numbers) => {
      const tree = new SumTree(numbers);
      const found = numbers.map(() => 0);
      for (let at = 0; at < tree.total; at++) {
        const index = tree.find((at + 0.5) / tree.total);
        found[index] = (found[index] ?? 0) + 1;
      }
      t.deepEqual(found, numbers);
    }),
  );
});

test('sums depend only on the current numbers, bit for bit', (t) => {
  const change = fc.tuple(fc.nat(29), fc.double({ min: 0, max: 1e6, noNaN: true }));
  fc.assert(
    fc.property(losses, fc.array(change, { maxLength: 20 }), (numbers, changes) => {
      const tree = new SumTree(numbers);
      for (const [at, value] of changes) {
        if (at >= numbers.length) continue;
        numbers[at] = value;
        tree.set(at, value);
      }
      t.is(tree.total, new SumTree(numbers).total);
    }),
  );
});

test('with the correction, the expectation of a draw is the mean over all windows', (t) => {
  fc.assert(
    fc.property(losses, fc.double({ min: 0.01, max: 1, noNaN: true }), (estimates, uniform) => {
      const sampler = new Sampler(Float32Array.from(estimates), { ...settings, uniform });
      const windows = estimates.map((_, window) => window);
      const shares = windows.map((window) => sampler.shareOf(window));
      t.true(Math.abs(shares.reduce((sum, share) => sum + share, 0) - 1) < 1e-12);
      // Any number of each window, as an element of its gradient is.
      const numberOf = (window: number): number => Math.sin(7 * window + 1);
      const random = new RandomStreams(1).at('draw', windows.length);
      const weights = new Map(Array.from({ length: 400 }, () => sampler.draw(random)).map((d) => [d.window, d.weight]));
      let [expected, mean] = [0, 0];
      for (const window of windows) {
        const weight = weights.get(window) ?? 1 / (windows.length * (shares[window] ?? 0));
        t.true(weight <= 1 / uniform + 1e-9);
        expected += (shares[window] ?? 0) * weight * numberOf(window);
        mean += numberOf(window) / windows.length;
      }
      t.true(Math.abs(expected - mean) < 1e-9);
    }),
    { numRuns: 30 },
  );
});

test('windows are drawn in proportion to their share', (t) => {
  const sampler = new Sampler(Float32Array.from([0, 1, 2, 5]), settings);
  const streams = new RandomStreams(3);
  const drawn = [0, 0, 0, 0];
  const draws = 20_000;
  for (let n = 0; n < draws; n++) {
    const { window } = sampler.draw(streams.place('draws', n));
    drawn[window] = (drawn[window] ?? 0) + 1;
  }
  for (const [window, count] of drawn.entries()) {
    t.true(Math.abs(count / draws - sampler.shareOf(window)) < 0.012, `${String(window)}: ${String(count)}`);
  }
});

test('an unmeasured window has the loss of a uniform guess, then the measured one', (t) => {
  const sampler = new Sampler(Sampler.unknown(4), settings);
  t.is(sampler.shareOf(2), 0.25);
  sampler.measured(2, 1);
  t.is(sampler.losses[2], 1, 'not mixed with the guess');
  sampler.measured(2, 2);
  t.is(sampler.losses[2], 1.5);
  t.is(sampler.shareOf(2), 0.25 / 4 + (0.75 * 1.5) / 10.5);
});

test.serial('a step’s gradient is the weighted sum over its windows divided by their number', async (t) => {
  const text = 'the quick brown fox jumps over the lazy dog. '.repeat(6);
  await using run = await testRun({ ...options, text, iterations: 8, config: { train: { grad_clip: 0 } } });
  const { model } = run.run;
  const batches: Batch[] = [];
  run.run.on('iteration:start', () => void (batches.length = 0));
  run.run.on('batch:ready', ({ batch }) => void batches.push(batch));
  let compared = 0;
  run.run.on('step:ready', ({ gradients, iteration }) => {
    if (iteration < 7) return;
    const weights = batches.flatMap((batch) => [...batch.weights!.filter((_, at) => at % batch.blockSize === 0)]);
    t.is(weights.length, 4);
    t.true(new Set(weights).size > 1, 'estimates differ');
    const expected = new Map<string, Float64Array>();
    for (const { inputs, targets, weights: own, blockSize, batchSize } of batches) {
      for (let row = 0; row < batchSize; row++) {
        const part = (ids: Int32Array): tf.Tensor2D =>
          tf.tensor2d(ids.slice(row * blockSize, (row + 1) * blockSize), [1, blockSize], 'int32');
        const { grads } = tf.variableGrads(() => model.loss(part(inputs), part(targets)));
        for (const [name, variable] of model.parameters()) {
          const sum = expected.get(name) ?? new Float64Array(variable.size);
          for (const [at, value] of grads[variable.name]!.dataSync().entries())
            sum[at] = (sum[at] ?? 0) + (value * own![row * blockSize]!) / weights.length;
          expected.set(name, sum);
        }
      }
    }
    for (const [name, sum] of expected) {
      const found = gradients.get(name)!.dataSync();
      const largest = sum.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-3);
      t.true(
        sum.every((value, at) => Math.abs(value - found[at]!) < 1e-4 * largest),
        name,
      );
      compared++;
    }
  });
  await run.train();
  t.true(compared > 5);
});

test.serial(
  'without the correction batches have no weights, and windows of high loss are drawn more often',
  async (t) => {
    const text = 'ab'.repeat(400) + 'the quick brown fox jumps over the lazy dog, and runs home. '.repeat(4);
    const set = [
      'batches={strategy: importance, correct: false, uniform: 0.05, memory: 0}',
      'optimizer.learning_rate=0.01',
    ];
    await using run = await testRun({ text, set, iterations: 120, config: { plugins: { evaluation: false } } });
    let [repeated, late] = [0, 0];
    run.run.on('batch:ready', ({ batch, iteration }) => {
      t.is(batch.weights, undefined);
      if (iteration < 80) return;
      for (let row = 0; row < batch.batchSize; row++) {
        const ids = new Set(batch.inputs.subarray(row * batch.blockSize, (row + 1) * batch.blockSize));
        repeated += Number(ids.size <= 2);
        late++;
      }
    });
    await run.train();
    t.true(repeated / late < 0.65, `${String(repeated)} of ${String(late)}: three of four windows of the text`);
  },
);

test.serial('a resumed run gives the same bits, including its estimates', async (t) => {
  await assertResumes(options);
  await using run = await testRun(options);
  await run.train();
  const kept = (await run.checkpoints.read()).plugins.get('batches-importance')?.get('losses');
  t.true([...(kept?.values ?? [])].some((loss) => loss > 0));
  t.true([...(kept?.values ?? [])].includes(-1), 'not every window was served');
});

test.serial('two ranks train as one, and have the same estimates', async (t) => {
  await assertTwoRanks({ set: ['batches={strategy: importance}', 'model.dropout=0'] });
  t.pass();
});
