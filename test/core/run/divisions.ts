import type { ExecutionContext } from 'ava';
import { RandomStreams, type Batch, type PluginClass, type RunSettings } from '../../../core/index.js';
import type { Run } from '../../../core/run/run.js';
import { memoryRanks, testRun } from '../../../plugins/testing/contract.js';

export const WINDOWS = 16;
export const ITERATIONS = 4;
/** Relative tolerance for float32 sums in another order. */
const TOLERANCE = 1e-4;

/** Ways to divide an iteration's 16 windows. */
export interface Division {
  readonly ranks: number;
  readonly microBatches: number;
}

/** Of one iteration, the same windows. */
export interface Step {
  readonly loss: number;
  readonly gradNorm: number;
  readonly targets: number;
  readonly gradients: ReadonlyMap<string, Float32Array>;
}

/** Changes a batch whose first window has that index in the iteration. */
export type Change = (batch: Batch, iteration: number, firstWindow: number) => Batch;

/** Returns whether a target is ignored: all targets of some windows, none of others. */
function isIgnored(iteration: number, window: number): (position: number) => boolean {
  const random = new RandomStreams(5).at('mask', iteration, window);
  const rate = [0, 1, random.float()][random.below(3)] ?? 0;
  return () => random.float() < rate;
}

export function masked(batch: Batch, iteration: number, firstWindow: number): Batch {
  const targets = batch.targets.slice();
  for (let row = 0; row < batch.batchSize; row++) {
    const ignored = isIgnored(iteration, firstWindow + row);
    for (let at = 0; at < batch.blockSize; at++) if (ignored(at)) targets[row * batch.blockSize + at] = -1;
  }
  return { ...batch, targets };
}

/** Nothing is trained: each iteration is another mask over the same model. */
export async function stepsOf(
  t: ExecutionContext,
  division: Division,
  engine: string,
  change: Change = masked,
  plugins: readonly PluginClass[] = [],
): Promise<Step[]> {
  const { ranks, microBatches } = division;
  const rows = WINDOWS / ranks / microBatches;
  const steps: Step[] = [];
  const runs = await Promise.all(
    memoryRanks(ranks).map(async (plugin, rank) => {
      const train = { batch_size: rows, gradient_accumulation_steps: microBatches };
      const run = await plainRun(
        t,
        { engine, train, lr: 'constant', optimizer: { learning_rate: 0 } },
        plugin,
        ...plugins,
      );
      run.bus.listen({ plugin: 'test', event: 'batch:ready', critical: true }, (drawn) => {
        drawn.batch = change(drawn.batch, drawn.iteration, (drawn.microBatch * ranks + rank) * rows);
      });
      if (rank === 0) listen(run, steps);
      return run;
    }),
  );
  await Promise.all(runs.map((run) => run.train()));
  return steps;
}

/** A run without dropout, evaluations and checkpoints. */
export async function plainRun(t: ExecutionContext, config: RunSettings, ...plugins: PluginClass[]): Promise<Run> {
  const { run } = await testRun({
    iterations: ITERATIONS,
    plugins,
    config: { ...config, model: { dropout: 0 }, plugins: { evaluation: false, checkpoint: false } },
  });
  t.teardown(() => run.dispose());
  return run;
}

function listen(run: Run, steps: Step[]): void {
  let gradients = new Map<string, Float32Array>();
  run.bus.on('step:ready', (ready) => {
    gradients = new Map([...ready.gradients].map(([name, each]) => [name, each.dataSync<'float32'>().slice()]));
  });
  run.bus.on('iteration:end', ({ loss, gradNorm, targets }) => steps.push({ loss, gradNorm, targets, gradients }));
}

export function assertSame(t: ExecutionContext, found: readonly Step[], expected: readonly Step[], what: string): void {
  t.is(found.length, ITERATIONS);
  for (const [iteration, step] of expected.entries()) {
    const { loss, gradNorm, targets, gradients } = found[iteration] ?? { loss: NaN, gradNorm: NaN };
    const near = (a: number, b: number): boolean => Math.abs(a - b) <= TOLERANCE * Math.abs(b);
    t.is(targets, step.targets, what);
    t.true(near(loss, step.loss), `${what}: loss ${String(loss)}, not ${String(step.loss)}`);
    t.true(near(gradNorm, step.gradNorm), `${what}: norm ${String(gradNorm)}, not ${String(step.gradNorm)}`);
    t.deepEqual([...(gradients?.keys() ?? [])], [...step.gradients.keys()]);
    for (const [name, values] of step.gradients) {
      const difference = Math.hypot(...values.map((value, at) => value - (gradients?.get(name)?.[at] ?? NaN)));
      t.true(difference <= TOLERANCE * step.gradNorm, `${what}: ${name} differs by ${String(difference)}`);
    }
  }
}
