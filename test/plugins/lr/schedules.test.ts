import test from 'ava';
import fc from '../../property.js';
import { LearningRate, Tunables } from '../../../core/index.js';
import { makeRun } from '../../../core/run/make.js';
import { MemoryCheckpoints, testRun } from '../../../plugins/testing/contract.js';

interface Schedule {
  readonly lr: LearningRate;
  readonly tunables: Tunables;
}

async function schedule(options: Record<string, unknown>, maxIters: number): Promise<Schedule> {
  const { run } = await makeRun({
    cwd: process.cwd(),
    presets: ['debug'],
    set: [`lr=${JSON.stringify(options)}`, `train.max_iters=${String(maxIters)}`],
    only: ['lr'],
  });
  return { lr: run.container.resolve(LearningRate), tunables: run.container.resolve(Tunables) };
}

/** Returns the rates at the given iterations, for a base of 1. */
async function rates(options: Record<string, unknown>, maxIters: number, at: readonly number[]): Promise<number[]> {
  const { lr } = await schedule(options, maxIters);
  return at.map((iteration) => Math.round(lr.at(iteration, 1) * 1e6) / 1e6);
}

test('constant: the optimizer’s rate from the warm-up on', async (t) => {
  t.deepEqual(
    await rates({ use: 'constant', warmup_iters: 3 }, 50, [0, 1, 2, 3, 49, 5000]),
    [0.25, 0.5, 0.75, 1, 1, 1],
  );
});

test('linear: a straight line to min_lr, by default a tenth of the rate', async (t) => {
  const line = { use: 'linear', warmup_iters: 10 };
  t.deepEqual(await rates(line, 50, [9, 10, 20, 30, 50, 60]), [0.909091, 1, 0.775, 0.55, 0.1, 0.1]);
  t.deepEqual(await rates({ ...line, decay_iters: 20, min_lr: 0 }, 50, [10, 15, 20, 30]), [1, 0.5, 0, 0]);
});

test('wsd: stable, then a decay in the last tenth or in the given iterations', async (t) => {
  const stable = { use: 'wsd', warmup_iters: 10, min_lr: 0 };
  t.deepEqual(await rates(stable, 100, [9, 10, 90, 91, 95, 100, 101]), [0.909091, 1, 1, 0.683772, 0.292893, 0, 0]);
  const line = { ...stable, shape: 'linear', cooldown_iters: 40 };
  t.deepEqual(await rates(line, 100, [60, 70, 80, 100]), [1, 0.75, 0.5, 0]);
  const longer = { ...line, cooldown_iters: 400 };
  t.deepEqual(await rates(longer, 100, [9, 10, 55, 100]), [0.909091, 1, 0.5, 0], 'the warm-up is kept whole');
});

test('inverse-sqrt: the formula of Vaswani et al., with steps counted from 1', async (t) => {
  const settings = fc.record({ warmup: fc.nat(40), iteration: fc.nat(100_000) });
  await fc.assert(
    fc.asyncProperty(settings, async ({ warmup, iteration }) => {
      const { lr } = await schedule({ use: 'inverse-sqrt', warmup_iters: warmup }, 50);
      const [step, steps] = [iteration + 1, warmup + 1];
      const paper = Math.min(step ** -0.5, step * steps ** -1.5) * steps ** 0.5;
      t.true(Math.abs(lr.at(iteration, 1) - paper) < 1e-12);
    }),
    { numRuns: 10 },
  );
  t.deepEqual(
    await rates({ use: 'inverse-sqrt', warmup_iters: 0, min_lr: 0.5 }, 50, [0, 3, 4, 99]),
    [1, 0.5, 0.5, 0.5],
  );
});

/** Any schedule by name, with any valid options. */
const anyOptions = fc
  .record({
    use: fc.constantFrom('constant', 'linear', 'wsd', 'inverse-sqrt', 'warmup-cosine'),
    warmup_iters: fc.nat(20),
    min_lr: fc.constantFrom(0, 0.03, 0.5),
    cooldown_share: fc.double({ min: 0.01, max: 1, noNaN: true }),
    shape: fc.constantFrom('linear', '1-sqrt'),
  })
  .map(({ use, warmup_iters, min_lr, cooldown_share, shape }) => ({
    use,
    warmup_iters,
    ...(use === 'constant' ? {} : { min_lr }),
    ...(use === 'wsd' ? { cooldown_share, shape } : {}),
  }));

test('every schedule rises to the rate, then never rises again, and ends at min_lr if it has an end', async (t) => {
  await fc.assert(
    fc.asyncProperty(anyOptions, fc.integer({ min: 1, max: 60 }), async (options, rest) => {
      const { use, warmup_iters: warmup, min_lr: lowest = 0 } = options;
      const end = warmup + rest;
      const { lr } = await schedule(options, end);
      const seen = Array.from({ length: end + 10 }, (_, iteration) => lr.at(iteration, 1));
      const slack = 1e-12;
      for (const [iteration, rate] of seen.entries()) {
        const before = seen[iteration - 1] ?? 0;
        if (iteration <= warmup)
          t.true(rate > before && Math.abs(rate - before - 1 / (warmup + 1)) < slack, 'in even steps');
        else t.true(rate <= before + slack && rate >= lowest - slack, `${use} at ${iteration}`);
      }
      t.is(seen[warmup], 1, 'the first iteration after the warm-up has the whole rate');
      if (use !== 'constant' && use !== 'inverse-sqrt') t.true(Math.abs((seen[end] ?? NaN) - lowest) < slack);
    }),
    { numRuns: 60 },
  );
});

test('a restarted schedule is the schedule of a run of the remaining iterations', async (t) => {
  await fc.assert(
    fc.asyncProperty(anyOptions, fc.integer({ min: 1, max: 30 }), fc.nat(60), async (options, from, iteration) => {
      const again = await schedule(options, 90);
      again.tunables.set('lr_schedule_offset', from);
      again.tunables.set('warmup_iters', 7);
      const fresh = await schedule({ ...options, warmup_iters: 7 }, 90 - from);
      t.is(again.lr.at(from + iteration, 0.5), fresh.lr.at(iteration, 0.5));
    }),
    { numRuns: 30 },
  );
});

/** Returns the rates of a run with a wsd schedule that restarts after a third, optionally resumed from a checkpoint. */
async function trained(checkpoints: MemoryCheckpoints, iterations = 12): Promise<number[]> {
  const step = (name: string, value: number | null): string =>
    JSON.stringify({ name, value, trigger_loss: 100, max_wait_iters: 0, reevaluate: false });
  const set = [
    'lr={use: wsd, warmup_iters: 3, cooldown_iters: 4}',
    'plugins.evaluation.interval=4',
    `plugins.scaling-schedule.operations=[${step('set_warmup_iters', 2)}, ${step('reset_lr_schedule', null)}, ${step('set_lr', 0.002)}]`,
  ];
  await using made = await testRun({ iterations: 12, checkpoints, set });
  const { run } = made;
  const seen: number[] = [];
  run.bus.on('iteration:end', ({ iteration, learningRate }) => {
    seen.push(learningRate);
    if (iteration + 1 !== iterations) return;
    run.control.requestStop('a test');
    run.control.requestCheckpoint('latest');
  });
  await run.train();
  return seen;
}

test('a run resumed after its schedule restarted trains with the same rates', async (t) => {
  const whole = await trained(new MemoryCheckpoints());
  const checkpoints = new MemoryCheckpoints();
  const first = await trained(checkpoints, 6);
  t.is(first.length, 6);
  const parts = [...first, ...(await trained(checkpoints))];
  t.is(whole.length, 12);
  t.deepEqual(parts, whole);
  t.true((whole[3] ?? 0) > (whole[4] ?? NaN), 'it went back into the warm-up');
});

test('an unknown schedule is refused with the known names', async (t) => {
  await t.throwsAsync(schedule({ use: 'cosine' }, 20), {
    message: /^--set: key lr\.use: unknown learning-rate schedule "cosine": did you mean "warmup-cosine"\?/,
  });
  await t.throwsAsync(schedule({ use: 'constant', decay_iters: 5 }, 20), {
    message: /unknown key "decay_iters" in lr/,
  });
});
