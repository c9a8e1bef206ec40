import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { checkpointNames } from '../../plugins/checkpoint/stored/find.js';
import { readCheckpoint } from '../../plugins/checkpoint/stored/read.js';
import { compareRuns } from '../../plugins/verify/resume/compare.js';
import { textFolder } from '../core/run/debug-run.js';
import { espalier as espalierAlone, type Outcome } from './command.js';
import { espalier } from './warm.js';

/** Spoils something at the iterations it is given, each once in the life of the process; `poison`: by what the batch holds. */
const FAULTS = `import { existsSync, writeFileSync } from 'node:fs';
import { inject, Model, On, Plugin, PluginConfig, tf } from 'espalier';
import type { BatchReady, GradientsReady, IterationEnd } from 'espalier';
import { z } from 'zod';
const options = z.strictObject({
  gradients: z.array(z.int()).default([]),
  spikes: z.array(z.int()).default([]),
  targets: z.array(z.int()).default([]),
  weights: z.array(z.int()).default([]),
  huge: z.array(z.int()).default([]),
  poison: z.boolean().default(false),
  always: z.boolean().default(false),
  dies: z.boolean().default(false),
});
@Plugin({ name: 'faults', summary: 'spoils gradients, batches and weights', config: options })
export default class Faults {
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
    gradients.set(name, tf.keep(tf.tidy(() => tf.mul(gradient, by))));
    gradient.dispose();
  }
  @On('iteration:end')
  weights({ iteration }: IterationEnd): void {
    if (this.due('weights', iteration)) this.fill('transformer.wpe.weight', Infinity);
    if (this.due('huge', iteration)) this.fill('transformer.ln_f.weight', 3e38);
  }
  private wentBack = false;
  @On('run:rollback')
  remember(): void {
    this.wentBack = true;
  }
  @On('iteration:end')
  die(): void {
    if (!this.config.dies || !this.wentBack || existsSync('died')) return;
    writeFileSync('died', '');
    process.kill(process.pid, 'SIGKILL');
  }
  private fill(name: string, value: number): void {
    const weight = this.model.parameters().get(name);
    if (weight !== undefined) tf.tidy(() => weight.assign(tf.fill(weight.shape, value)));
  }
  private due(what: 'gradients' | 'spikes' | 'targets' | 'weights' | 'huge', iteration: number): boolean {
    const key = what + String(iteration);
    if (!this.config[what].includes(iteration) || this.done.has(key)) return false;
    if (!this.config.always) this.done.add(key);
    return true;
  }
}
`;

/** Quick: what is tested hangs on no size. */
const TINY = ['engine=auto', 'data.text=text.txt', 'model={n_embd: 16, block_size: 16}'];
const set = (...settings: string[]): string[] => settings.flatMap((setting) => ['--set', setting]);

interface Trained extends Outcome {
  /** Of the events file, those that tell of a fault's consequences. */
  events: Record<string, unknown>[];
  checkpoints: string[];
  folder: string;
}

/** 20 iterations with evaluations and checkpoints every 5, and faults. */
async function train(t: ExecutionContext, faults: string, ...health: string[]): Promise<Trained> {
  const folder = textFolder(t);
  writeFileSync(path.join(folder, 'faults.ts'), FAULTS);
  const settings = [...TINY, 'run.dir=out', 'plugins.evaluation={interval: 5, iters: 1}'];
  const all = set(...settings, `plugins={"./faults.ts": ${faults}}`, ...health.map((each) => `plugins.health.${each}`));
  const outcome = await espalier(folder, 'train', '-p', 'debug', ...all);
  const events = readFileSync(path.join(folder, 'out/events.jsonl'), 'utf8').trimEnd().split('\n');
  return {
    ...outcome,
    folder,
    events: events
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter(({ event }) => event === 'step:skipped' || event === 'run:rollback'),
    checkpoints: await checkpointNames(path.join(folder, 'out/checkpoints')),
  };
}

/** Every number in every checkpoint is finite. */
async function allFinite(t: ExecutionContext, { folder, checkpoints }: Trained): Promise<void> {
  for (const name of checkpoints) {
    const { weights, optimizer } = await readCheckpoint(path.join(folder, 'out/checkpoints', name));
    for (const [tensor, { values }] of [...weights, ...optimizer.tensors]) {
      t.true(values.every(Number.isFinite), `${name}: ${tensor}`);
    }
  }
}

const BAD = /the gradient of transformer\.h\.1\.attn\.c_attn\.weight is not finite in 768 of 768 elements/;

test('gradients that are not finite stop the run, unless told otherwise, and the run goes on from the emergency checkpoint', async (t) => {
  const run = await train(t, '{gradients: [12]}');
  t.is(run.code, 1);
  t.regex(run.err, new RegExp(`health: iteration 13: ${BAD.source}; stopping, with an emergency checkpoint`));
  t.deepEqual(run.checkpoints, ['000013-emergency', '000010', '000005']);
  await allFinite(t, run);
  const on = await espalier(run.folder, 'train', '--resume', 'out', '-q');
  t.is(on.code, 0, on.err);
  t.true(existsSync(path.join(run.folder, 'out/checkpoints/000020')));
});

test('skip leaves the step out, says so in the log and the metrics, and the run goes on', async (t) => {
  const run = await train(t, '{gradients: [12]}', 'non_finite.gradients=skip');
  t.is(run.code, 0);
  t.regex(run.err, new RegExp(`${BAD.source}; the step is left out`));
  t.like(run.events, [{ event: 'step:skipped', iteration: 13 }]);
  const metrics = readFileSync(path.join(run.folder, 'out/metrics.jsonl'), 'utf8');
  t.regex(metrics, /"iter":13,.*"health\/faults":1,"health\/skipped_steps":1,"health\/rollbacks":0/);
  await allFinite(t, run);
});

test('rollback goes back to the last checkpoint and on with other data, at most so many times', async (t) => {
  const run = await train(t, '{gradients: [12, 17]}', 'non_finite.gradients=rollback');
  t.is(run.code, 0, run.err);
  const back = run.events.filter(({ event }) => event === 'run:rollback');
  t.like(back, [
    { from: 13, to: 10, path: 'checkpoints/000010' },
    { from: 18, to: 15, path: 'checkpoints/000015' },
  ]);
  t.deepEqual(run.checkpoints, ['000020', '000015', '000010']);
  await allFinite(t, run);
  const again = await train(t, '{gradients: [12], always: true}', 'non_finite.gradients=rollback', 'max_rollbacks=2');
  t.is(again.code, 1);
  t.is(again.events.filter(({ event }) => event === 'run:rollback').length, 2);
  t.regex(again.err, /elements, after 2 rollbacks \(max_rollbacks\); stopping, with an emergency checkpoint/);
  await allFinite(t, again);
});

test('warn takes the step; weights that are lost by it never get into a checkpoint', async (t) => {
  const run = await train(t, '{gradients: [14]}', 'non_finite.gradients=warn');
  t.is(run.code, 1);
  t.regex(run.err, new RegExp(`${BAD.source}; going on`));
  t.regex(run.err, /health: iteration 15: the weight \S+ is not finite in .* elements; stopping, go on from the last/);
  t.regex(run.err, /no latest checkpoint at iteration 15: the weight \S+ is not finite/);
  t.deepEqual(run.checkpoints, ['000010', '000005']);
  t.is(readFileSync(path.join(run.folder, 'out/checkpoints/latest'), 'utf8').trim(), '000010');
});

test('weights that are not finite are found when the loss is, and at an evaluation, and rolled back', async (t) => {
  const run = await train(t, '{weights: [11, 14, 19]}', 'non_finite.weights=rollback');
  t.is(run.code, 0, run.err);
  t.regex(run.err, /health: iteration 13: the weight transformer\.wpe\.weight is not finite in 256 of 256 elements/);
  t.regex(run.err, /health: iteration 15: the weight transformer\.wpe\.weight is not finite/);
  t.like(
    run.events.filter(({ event }) => event === 'run:rollback'),
    [
      { from: 13, to: 10 },
      { from: 15, to: 10 },
      { from: 20, to: 15 },
    ],
  );
  t.is(run.checkpoints[0], '000020');
  await allFinite(t, run);
});

test('a loss that is not finite though the weights are is a fault of its own', async (t) => {
  const run = await train(t, '{huge: [11]}', 'non_finite.loss=rollback');
  t.is(run.code, 0, run.err);
  t.regex(run.err, /health: iteration 13: the training loss is NaN: the run goes back from iteration 13 to checkpoint/);
});

test('weights that are lost in the last iteration are no run that is done', async (t) => {
  const run = await train(t, '{weights: [19]}');
  t.is(run.code, 1);
  t.regex(run.err, /stopped: health: iteration 20: the weight \S+ is not finite/);
  t.deepEqual(run.checkpoints, ['000015', '000010', '000005']);
});

test('spikes of the gradients’ norm and of the loss warn, unless told otherwise', async (t) => {
  const spikes = ['spikes.window=5', 'spikes.loss.times=1.05'];
  const warned = await train(t, '{spikes: [12], targets: [16]}', ...spikes);
  t.is(warned.code, 0);
  t.regex(warned.err, /health: iteration 13: the gradients’ norm \S+ is \S+ times its running median \S+; going on/);
  t.regex(warned.err, /health: iteration 17: the training loss \S+ is 1\.\d times its running median \S+; going on/);
  t.deepEqual(warned.events, []);
  const metrics = readFileSync(path.join(warned.folder, 'out/metrics.jsonl'), 'utf8');
  t.regex(metrics, /"iter":15,.*"health\/grad_norm_ratio":\d{2,}/);

  const policies = ['spikes.grad_norm.policy=rollback', 'spikes.loss.policy=skip'];
  const acted = await train(t, '{spikes: [12], targets: [16]}', ...spikes, ...policies);
  t.is(acted.code, 0);
  t.like(acted.events, [
    { event: 'step:skipped', iteration: 13 },
    { event: 'run:rollback', from: 13, to: 10 },
    { event: 'step:skipped', iteration: 17 },
  ]);
});

test('with no checkpoint to go back to, a rollback stops the run', async (t) => {
  const run = await train(t, '{gradients: [2]}', 'non_finite.gradients=rollback');
  t.is(run.code, 1);
  t.regex(run.err, /elements: there is no checkpoint to go back to in out; stopping/);
  t.deepEqual(run.checkpoints, ['000003-emergency']);
});

for (const policy of ['skip', 'rollback']) {
  test(`${policy}: a run that meets bad data, before a stop and after it, is the run that was not stopped`, async (t) => {
    const folder = textFolder(t);
    writeFileSync(path.join(folder, 'faults.ts'), FAULTS);
    const settings = set(
      ...TINY,
      'plugins.evaluation={interval: 2, iters: 1}',
      'plugins={"./faults.ts": {poison: true}}',
      `plugins.health={max_rollbacks: 99, non_finite: {gradients: ${policy}}}`,
    );
    const { code, out, err } = await espalier(folder, 'verify-resume', '-p', 'debug', '-n', '9', ...settings, '--keep');
    t.is(code, 0, out + err);
    const kept = /the runs are in (\S+)/.exec(err)?.[1] ?? '';
    const { state } = await readCheckpoint(path.join(kept, 'parts/checkpoints/000018'));
    const { counts } = state.plugins['health']?.state as { counts: Record<string, number> };
    t.true((counts[policy === 'skip' ? 'skipped' : 'rollbacks'] ?? 0) >= 2, JSON.stringify(counts));
    rmSync(kept, { recursive: true, force: true });
  });
}

test('a process that is killed after a rollback goes on as the run that was not', async (t) => {
  const folder = textFolder(t);
  writeFileSync(path.join(folder, 'faults.ts'), FAULTS);
  const bad = 'plugins.health={max_rollbacks: 99, non_finite: {gradients: rollback}}';
  const evaluation = 'plugins.evaluation={interval: 3, iters: 1}';
  const train = (dir: string, ...more: string[]): Promise<Outcome> => {
    const dies = `plugins={"./faults.ts": {poison: true, dies: ${String(dir === 'parts')}}}`;
    const settings = set(...TINY, evaluation, bad, dies, `run.dir=${dir}`);
    return espalierAlone(folder, 'train', '-p', 'debug', ...settings, ...more);
  };
  t.is((await train('whole')).code, 0);
  t.not((await train('parts')).code, 0);
  t.true(existsSync(path.join(folder, 'died')));
  const on = await train('parts', '--resume');
  t.is(on.code, 0, on.err);
  const { difference } = await compareRuns([path.join(folder, 'whole'), path.join(folder, 'parts')]);
  t.is(difference, undefined);
});
