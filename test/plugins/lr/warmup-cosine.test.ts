import test, { type ExecutionContext } from 'ava';
import fc from '../../property.js';
import { createRun, LearningRate, type RunOptions } from '../../../core/index.js';
import type { Run } from '../../../core/run/run.js';
import { makeRun } from '../../../core/run/make.js';
import { textFolder } from '../../text.js';

async function schedule(options: Record<string, number | null>, maxIters = 50): Promise<LearningRate> {
  const { run } = await makeRun({
    cwd: process.cwd(),
    presets: ['debug'],
    set: [`lr=${JSON.stringify({ use: 'warmup-cosine', ...options })}`, `train.max_iters=${String(maxIters)}`],
    only: ['lr'],
  });
  return run.container.resolve(LearningRate);
}

test('warmup-cosine has the formula’s values at every corner', async (t) => {
  const lr = await schedule({ warmup_iters: 9, decay_iters: 109, min_lr: 0.1 });
  const near = (iteration: number, expected: number): void => {
    t.true(Math.abs(lr.at(iteration, 1) - expected) < 1e-12, `${iteration}: ${lr.at(iteration, 1)}`);
  };
  near(0, 0.1);
  near(4, 0.5);
  near(8, 0.9);
  near(9, 1);
  near(34, 0.1 + 0.45 * (1 + Math.SQRT1_2));
  near(59, 0.55);
  near(84, 0.1 + 0.45 * (1 - Math.SQRT1_2));
  near(109, 0.1);
  near(110, 0.1);
  near(100_000, 0.1);
});

test('by default the schedule ends at max_iters and at a tenth of the optimizer’s rate', async (t) => {
  const lr = await schedule({ warmup_iters: 0, decay_iters: null, min_lr: null }, 40);
  t.true(Math.abs(lr.at(0, 0.02) - 0.02) < 1e-12);
  t.true(Math.abs(lr.at(20, 0.02) - 0.011) < 1e-12);
  t.true(Math.abs(lr.at(40, 0.02) - 0.002) < 1e-12);
});

test('a warm-up that takes the whole schedule is followed by min_lr', async (t) => {
  const lr = await schedule({ warmup_iters: 10, decay_iters: 10, min_lr: 0.25 });
  t.true(lr.at(9, 1) < 1);
  t.is(lr.at(10, 1), 0.25);
});

test('the rate rises during the warm-up, falls to min_lr, and never leaves (0, base]', async (t) => {
  const settings = fc.record({
    warmup_iters: fc.nat(30),
    decay: fc.integer({ min: 1, max: 100 }),
    share: fc.double({ min: 0, max: 1, noNaN: true }),
    base: fc.double({ min: 1e-6, max: 10, noNaN: true }),
  });
  await fc.assert(
    fc.asyncProperty(settings, async ({ warmup_iters, decay, share, base }) => {
      const end = warmup_iters + decay;
      const lowest = share * base;
      const lr = await schedule({ warmup_iters, decay_iters: end, min_lr: lowest });
      const rates = Array.from({ length: end + 20 }, (_, iteration) => lr.at(iteration, base));
      const slack = base * 1e-12;
      for (const [iteration, rate] of rates.entries()) {
        const before = rates[iteration - 1];
        if (before !== undefined && iteration <= warmup_iters) t.true(rate > before, `rises at ${iteration}`);
        if (before !== undefined && iteration > warmup_iters) t.true(rate <= before + slack, `falls at ${iteration}`);
        t.true(rate > 0 || lowest === 0);
        t.true(rate <= base + slack);
        if (iteration >= warmup_iters) t.true(rate >= lowest - slack);
        if (iteration > end) t.is(rate, lowest);
      }
      t.true(Math.abs((rates[warmup_iters] ?? NaN) - base) <= slack);
    }),
    { numRuns: 40 },
  );
});

/** Returns the warnings of the debug preset with these settings before training. */
async function warnings(t: ExecutionContext, folder: string, ...set: string[]): Promise<string[]> {
  return (await made(t, { cwd: folder, set, inMemory: true })).lines;
}

/** Returns the debug preset's run on `text.txt`, ready to train, and its list of warnings. */
async function made(t: ExecutionContext, options: RunOptions): Promise<{ run: Run; lines: string[] }> {
  const lines: string[] = [];
  const run = await createRun({
    presets: 'debug',
    config: { precision: 'f32', data: { text: 'text.txt' } },
    log: (level, line) => {
      if (level === 'warn') lines.push(line);
    },
    ...options,
  });
  t.teardown(() => run.dispose());
  return { run, lines };
}

test('only a min_lr above the learning rate is warned about, with its place', async (t) => {
  const told = async (lowest: number): Promise<string[]> =>
    warnings(t, textFolder(t), 'optimizer.learning_rate=0.001', `lr.min_lr=${String(lowest)}`);
  t.deepEqual(await told(0.001), []);
  const [line = ''] = await told(0.002);
  t.regex(line, /^--set: lr\.min_lr 0\.002 is above the optimizer’s learning rate 0\.001: .*set lr\.min_lr=null/);
});

test('the schedule of a preset ends with the run, whatever max_iters is set over it', async (t) => {
  const folder = textFolder(t);
  t.deepEqual(await warnings(t, folder, 'train.max_iters=5000'), []);
  t.deepEqual(await warnings(t, folder, 'train.max_iters=5000', 'lr.decay_iters=5000'), []);
});

test('a schedule that ends before or after the run, or a warm-up longer than the run, is warned about with both places', async (t) => {
  const folder = textFolder(t);
  const told = async (...set: string[]): Promise<string> => (await warnings(t, folder, ...set)).join('\n');
  t.regex(
    await told('lr.decay_iters=15'),
    /^--set: lr\.decay_iters 15 is less than train\.max_iters 20 \(presets\/debug\.yaml:5\): the last 5 iterations .*$/,
  );
  t.regex(
    await told('lr.decay_iters=21'),
    /^--set: lr\.decay_iters 21 is more than train\.max_iters 20 \(presets\/debug\.yaml:5\): the run ends before .*$/,
  );
  t.regex(
    await told('train.max_iters=2'),
    /^presets\/debug\.yaml:6: lr\.warmup_iters 2 is not less than train\.max_iters 2 \(--set\): the run ends within .*$/,
  );
  t.is(await told('train.max_iters=0'), '', 'nothing is trained');
});

test('a scaling schedule that restarts the rate or changes the warm-up suppresses the warnings', async (t) => {
  const folder = textFolder(t);
  const step = (name: string, value: number | null): string =>
    `plugins.scaling-schedule.operations=[${JSON.stringify({ name, value, trigger_loss: 0, max_wait_iters: 9, reevaluate: false })}]`;
  t.deepEqual(await warnings(t, folder, 'lr.decay_iters=10', step('reset_lr_schedule', null)), []);
  t.deepEqual(await warnings(t, folder, 'lr.warmup_iters=20', step('set_warmup_iters', 3)), []);
  t.is((await warnings(t, folder, 'lr.decay_iters=10', step('set_lr', 0.002))).length, 1);
});

test('resuming with another max_iters warns that rates differ, and says how to keep them', async (t) => {
  const folder = textFolder(t);
  const train = async (stopAt: number, ...set: string[]): Promise<{ lines: string[]; rates: number[] }> => {
    const all = ['plugins.evaluation.interval=0', ...set];
    const { run, lines } = await made(t, { cwd: folder, set: all, resume: stopAt > 4 });
    const rates: number[] = [];
    run.bus.on('iteration:end', ({ iteration, learningRate }) => {
      rates.push(learningRate);
      if (iteration + 1 === stopAt) {
        run.control.requestStop('a test');
        run.control.requestCheckpoint('latest');
      }
    });
    await run.train();
    await run.dispose();
    return { lines, rates };
  };
  await train(4);
  const longer = await train(5, 'train.max_iters=40');
  t.regex(
    longer.lines.join(),
    /ends at train\.max_iters 40, which was 20: .* from iteration 4 on .*lr\.decay_iters=20 keeps/,
  );
  const kept = await train(6, 'train.max_iters=40', 'lr.decay_iters=20');
  t.notRegex(kept.lines.join(), /not at 20/);
  const planned = await schedule({ warmup_iters: 2, decay_iters: null, min_lr: 1e-4 }, 20);
  t.is(kept.rates[0], planned.at(5, 1e-3));
});
