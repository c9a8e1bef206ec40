import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { z } from 'zod';
import {
  inject,
  Model,
  On,
  Plugin,
  PluginConfig,
  tf,
  type BatchReady,
  type GradientsReady,
  type IterationEnd,
  type RunResult,
} from '../../../core/index.js';
import {
  assertResumes,
  outcome,
  testRun,
  type TestRun,
  type TestRunOptions,
} from '../../../plugins/testing/contract.js';

const iterations = z.array(z.int()).default([]);
const options = z.strictObject({
  gradients: iterations,
  spikes: iterations,
  targets: iterations,
  weights: iterations,
  huge: iterations,
  poison: z.boolean().default(false),
  always: z.boolean().default(false),
});
type Faulty = z.input<typeof options>;

/** Spoils something at the iterations it is given, each once in the life of the plugin; `poison`: by what the batch holds. */
@Plugin({ name: 'faults', summary: 'spoils gradients, batches and weights', config: options })
class Faults {
  private readonly done = new Set<string>();
  private poisoned = false;

  constructor(
    @inject(PluginConfig) private readonly config: z.output<typeof options>,
    @inject(Model) private readonly model: Model,
  ) {}

  @On('batch:ready')
  batch(ready: BatchReady): void {
    const { inputs, targets } = ready.batch;
    this.poisoned = this.config.poison && inputs.reduce((sum, id, at) => (31 * sum + id + at) % 997, 7) % 6 === 4;
    if (this.due('targets', ready.iteration)) ready.batch = { ...ready.batch, targets: targets.map(() => 3) };
  }

  @On('gradients:ready')
  gradients({ iteration, gradients }: GradientsReady): void {
    const by = this.poisoned || this.due('gradients', iteration) ? NaN : this.due('spikes', iteration) ? 1e4 : 1;
    if (by === 1) return;
    const name = 'transformer.h.1.attn.c_attn.weight';
    const gradient = gradients.get(name);
    if (gradient === undefined) return;
    gradients.set(
      name,
      tf.tidy(() => tf.mul(gradient, by)),
    );
    gradient.dispose();
  }

  @On('iteration:end')
  weights({ iteration }: IterationEnd): void {
    if (this.due('weights', iteration)) this.fill('transformer.wpe.weight', Infinity);
    if (this.due('huge', iteration)) this.fill('transformer.ln_f.weight', 3e38);
  }

  private fill(name: string, value: number): void {
    const weight = this.model.parameters().get(name);
    if (weight !== undefined)
      tf.tidy(() => {
        weight.assign(tf.fill(weight.shape, value));
      });
  }

  private due(what: 'gradients' | 'spikes' | 'targets' | 'weights' | 'huge', iteration: number): boolean {
    const key = what + String(iteration);
    if (!this.config[what].includes(iteration) || this.done.has(key)) return false;
    if (!this.config.always) this.done.add(key);
    return true;
  }
}

/** 20 iterations with evaluations and checkpoints every 5, and faults. */
function faulty(faults: Faulty, health: Record<string, unknown> = {}, interval = 5): TestRunOptions {
  return {
    iterations: 20,
    plugins: [[Faults, faults]],
    config: {
      model: { n_layer: 2, n_head: 2, n_embd: 16, block_size: 16, dropout: 0 },
      train: { batch_size: 4 },
      optimizer: { learning_rate: 0.01 },
      plugins: { evaluation: { interval, iters: 1 }, health },
    },
  };
}

interface Trained extends RunResult {
  readonly run: TestRun;
  /** Every line of the log. */
  readonly err: string;
  /** Where the run went back, and where steps were left out, in iterations done. */
  readonly events: unknown[];
  readonly saved: readonly string[];
}

async function train(t: ExecutionContext, faults: Faulty, health: Record<string, unknown> = {}): Promise<Trained> {
  const run = await testRun(faulty(faults, health));
  t.teardown(() => run.dispose());
  const result = await run.train();
  const events = run.events.all.flatMap(({ event, payload }): unknown[] => {
    if (event === 'iteration:end' && payload.skipped !== undefined) return [{ skipped: payload.iteration + 1 }];
    if (event !== 'run:rollback') return [];
    return [{ from: payload.from, to: payload.to, path: path.basename(payload.path) }];
  });
  const err = run.log.map(({ line }) => line).join('\n');
  return { ...result, run, err, events, saved: run.checkpoints.names };
}

function rollbacks({ events }: Trained): unknown[] {
  return events.filter((event) => typeof event === 'object' && event !== null && 'from' in event);
}

/** Every number in every checkpoint is finite. */
async function allFinite(t: ExecutionContext, { run: { checkpoints } }: Trained): Promise<void> {
  for (const name of checkpoints.names) {
    const { weights, optimizer } = await checkpoints.read(name);
    for (const [tensor, { values }] of [...weights, ...optimizer.tensors]) {
      t.true(values.every(Number.isFinite), `${name}: ${tensor}`);
    }
  }
}

const BAD = /the gradient of transformer\.h\.1\.attn\.c_attn\.weight is not finite in 768 of 768 elements/;

test.serial('rollback continues from the last checkpoint with other data, at most max_rollbacks times', async (t) => {
  const run = await train(t, { gradients: [12, 17] }, { non_finite: { gradients: 'rollback' } });
  t.is(run.exitCode, 0, run.err);
  t.deepEqual(rollbacks(run), [
    { from: 13, to: 10, path: '000010' },
    { from: 18, to: 15, path: '000015' },
  ]);
  t.deepEqual(run.saved, ['000020', '000015', '000010']);
  await allFinite(t, run);
  const health = { non_finite: { gradients: 'rollback' }, max_rollbacks: 2 };
  const again = await train(t, { gradients: [12], always: true }, health);
  t.is(again.exitCode, 1);
  t.is(rollbacks(again).length, 2);
  t.regex(again.err, /elements, after 2 rollbacks \(max_rollbacks\); stopping, with an emergency checkpoint/);
  await allFinite(t, again);
});

test.serial('warn takes the step; weights that become non-finite never get into a checkpoint', async (t) => {
  const run = await train(t, { gradients: [14] }, { non_finite: { gradients: 'warn' } });
  t.is(run.exitCode, 1);
  t.regex(run.err, new RegExp(`${BAD.source}; `));
  t.regex(run.err, /health: iteration 15: the weight \S+ is not finite in .* elements; stopping/);
  t.regex(run.err, /no latest checkpoint at iteration 15: the weight \S+ is not finite/);
  t.deepEqual(run.saved, ['000010', '000005']);
  t.is(run.run.checkpoints.latest, '000010');
});

test.serial(
  'weights that are not finite are found when the loss is, and at an evaluation, and rolled back',
  async (t) => {
    const run = await train(t, { weights: [11, 14, 19] }, { non_finite: { weights: 'rollback' } });
    t.is(run.exitCode, 0, run.err);
    t.regex(run.err, /health: iteration 13: the weight transformer\.wpe\.weight is not finite in 256 of 256 elements/);
    t.regex(run.err, /health: iteration 15: the weight transformer\.wpe\.weight is not finite/);
    t.deepEqual(rollbacks(run), [
      { from: 13, to: 10, path: '000010' },
      { from: 15, to: 10, path: '000010' },
      { from: 20, to: 15, path: '000015' },
    ]);
    t.is(run.saved[0], '000020');
    await allFinite(t, run);
  },
);

test.serial('a non-finite loss with finite weights is a fault of its own', async (t) => {
  const run = await train(t, { huge: [11] }, { non_finite: { loss: 'rollback' } });
  t.is(run.exitCode, 0, run.err);
  t.regex(
    run.err,
    /health: iteration 13: the training loss is NaN: rolling back the run from iteration 13 to checkpoint/,
  );
});

test.serial('a run whose weights become non-finite in the last iteration does not end as done', async (t) => {
  const run = await train(t, { weights: [19] });
  t.is(run.exitCode, 1);
  t.is(run.status, 'stopped');
  t.regex(run.reasons.join(), /health: iteration 20: the weight \S+ is not finite/);
  t.deepEqual(run.saved, ['000015', '000010', '000005']);
});

test.serial('spikes of the gradient norm and of the loss cause a warning by default', async (t) => {
  const spikes = (loss: object, norm: object): object => ({
    spikes: { window: 5, loss: { times: 1.05, ...loss }, grad_norm: norm },
  });
  const faults = { spikes: [12], targets: [16] };
  const warned = await train(t, faults, { ...spikes({}, {}) });
  t.is(warned.exitCode, 0);
  t.regex(warned.err, /health: iteration 13: the gradients’ norm \S+ is \S+ times its running median \S+; /);
  t.regex(warned.err, /health: iteration 17: the training loss \S+ is 1\.\d times its running median \S+; /);
  t.deepEqual(warned.events, []);
  const acted = await train(t, faults, { ...spikes({ policy: 'skip' }, { policy: 'rollback' }) });
  t.is(acted.exitCode, 0);
  t.deepEqual(acted.events, [{ skipped: 13 }, { from: 13, to: 10, path: '000010' }, { skipped: 17 }]);
});

test.serial('without a checkpoint to roll back to, the run stops', async (t) => {
  const run = await train(t, { gradients: [2] }, { non_finite: { gradients: 'rollback' } });
  t.is(run.exitCode, 1);
  t.regex(run.err, /elements: \S+ has no checkpoint to roll back to; stopping/);
  t.deepEqual(run.saved, ['000003-emergency']);
});

for (const [policy, counter] of [
  ['skip', 'skipped'],
  ['rollback', 'rollbacks'],
] as const) {
  test.serial(
    `${policy}: a run that meets bad data, before a stop and after it, is the run that was not stopped`,
    async (t) => {
      const run = faulty({ poison: true }, { max_rollbacks: 99, non_finite: { gradients: policy } }, 2);
      await t.notThrowsAsync(assertResumes(run, [{ event: 'iteration:end', at: 9 }]));
      const { plugins } = await outcome(run);
      const counts = z.object({ state: z.object({ counts: z.record(z.string(), z.unknown()) }) });
      t.true(Number(counts.parse(plugins['health']).state.counts[counter]) >= 2);
    },
  );
}
