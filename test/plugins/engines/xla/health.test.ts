import path from 'node:path';
import type { ExecutionContext } from 'ava';
import { createRun, Model, type Run, tf } from '../../../../core/index.js';
import { engineNeed, needing } from '../../../needs.js';
import { textFolder } from '../../../text.js';
import { assertClose } from '../../ops/compare.js';

const check = needing(await engineNeed('xla')).serial;

const ITERATIONS = 10;
/** Saves at iterations 4 and 8; each fault is in the seventh. */
const SETTINGS = [
  'data={text: text.txt}',
  'model={n_layer: 1, n_head: 2, n_embd: 16, block_size: 8, vocab_size: null, dropout: 0.1}',
  `train={max_iters: ${String(ITERATIONS)}, batch_size: 4, gradient_accumulation_steps: 2}`,
  'plugins={checkpoint: {interval: 4}, evaluation: {interval: 4, iters: 1}}',
];

/** Makes a run's fault. @returns called before and after the iteration that has it */
type Fault = (run: Run) => (isFaulty: boolean) => void;

/** What a run did. */
interface Trained {
  readonly losses: Float32Array;
  readonly weights: Float32Array;
  readonly decisions: unknown;
}

/** Trains with a fault in the seventh iteration, but not when a rollback repeats it. */
async function train(t: ExecutionContext, engine: string, health: object, fault: Fault): Promise<Trained> {
  const lines: string[] = [];
  // Not `testRun`, whose recorder needs every event.
  await using run = await createRun({
    cwd: textFolder(t),
    presets: 'debug',
    set: [`engine=${engine}`, ...SETTINGS, `plugins.health=${JSON.stringify(health)}`],
    log: (_level, line) => lines.push(line),
  });
  const losses: number[] = [];
  const events: unknown[] = [];
  const saved = new Set<string>();
  const set = fault(run);
  let faultsLeft = 1;
  run.on('iteration:start', ({ iteration }) => {
    if (iteration === 6 && faultsLeft-- > 0) set(true);
  });
  run.on('iteration:end', ({ iteration, loss, skipped }) => {
    if (iteration === 6) set(false);
    losses.push(loss);
    if (skipped !== undefined) events.push({ iteration, skipped: rounded(skipped) });
  });
  run.on('run:rollback', ({ from, to }) => events.push({ from, to }));
  run.on('checkpoint:saved', ({ path: folder }) => saved.add(path.basename(folder)));
  const { exitCode, status } = await run.train();
  const faults = lines.filter((line) => line.includes('health: iteration')).map(rounded);
  const weights = [...run.model.parameters().values()].flatMap((weight) => [...weight.dataSync<'float32'>()]);
  const decisions = { events, saved, faults, exitCode, status };
  return { losses: finite(losses), weights: finite(weights), decisions };
}

/** Engines differ in the last digits of a number. */
function rounded(line: string): string {
  return line.replace(/\d+\.\d+/g, (number) => Number(number).toPrecision(2));
}

function finite(numbers: readonly number[]): Float32Array {
  return Float32Array.from(numbers, (each) => (Number.isFinite(each) ? each : -1));
}

/** All targets are one token: a spike of loss and norm. */
const spike: Fault = (run) => {
  let isSpoiled = false;
  run.on('batch:ready', (ready) => {
    if (isSpoiled) ready.batch = { ...ready.batch, targets: ready.batch.targets.map(() => 3) };
  });
  return (isFaulty) => {
    isSpoiled = isFaulty;
  };
};

/** The loss is NaN, and its gradients are finite. */
const lostLoss: Fault = (run) => {
  const model = run.container.resolve(Model);
  // Its first value must be no other tensor's: a recorded pass would read that one.
  const extra = tf.tidy(() => tf.variable(tf.scalar(0), false));
  const loss = model.loss.bind(model);
  model.loss = (...inputs) => tf.add(loss(...inputs), extra);
  return (isFaulty) => {
    tf.tidy(() => {
      extra.assign(tf.scalar(isFaulty ? NaN : 0));
    });
  };
};

/** A weight is so large that no gradient is finite. */
const overflow: Fault = (run) => {
  let before: Float32Array | undefined;
  return (isFaulty) => {
    const weight = run.container.resolve(Model).parameters().get('transformer.ln_f.weight');
    if (weight === undefined || (before === undefined && !isFaulty)) return;
    const values = before ?? new Float32Array(weight.size).fill(3e38);
    before = isFaulty ? weight.dataSync<'float32'>().slice() : undefined;
    tf.tidy(() => {
      weight.assign(tf.tensor(values, weight.shape));
    });
  };
};

const spikes = (policy: string): object => ({
  spikes: { window: 4, loss: { times: 1.01, policy }, grad_norm: { times: 1.2, policy } },
});
const nonFinite = (policy: string): object => ({ non_finite: { loss: policy, gradients: policy } });

const faults = {
  'a spike': { spoil: spike, options: spikes },
  'a loss that is NaN with finite gradients': { spoil: lostLoss, options: nonFinite },
  'gradients that are not finite': { spoil: overflow, options: nonFinite },
};

for (const [what, { spoil, options }] of Object.entries(faults)) {
  for (const policy of ['warn', 'skip', 'stop', 'rollback']) {
    check(`engine xla: at ${what}, health with ${policy} decides what it decides on other engines`, async (t) => {
      const [expected, ours] = [
        await train(t, 'cpu', options(policy), spoil),
        await train(t, 'xla', options(policy), spoil),
      ];
      t.deepEqual(ours.decisions, expected.decisions);
      t.regex(JSON.stringify(ours.decisions), /health: iteration 7/);
      t.is(ours.losses.length, expected.losses.length);
      assertClose(ours.losses, expected.losses, 'loss');
      assertClose(ours.weights, expected.weights, 'weights');
    });
  }
}
