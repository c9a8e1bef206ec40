import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { checkpointNames } from '../../plugins/checkpoint/stored/find.js';
import { readCheckpoint } from '../../plugins/checkpoint/stored/read.js';
import { compareRuns } from '../../plugins/verify/resume/compare.js';
import { textFolder } from '../text.js';
import { espalier as espalierAlone, type Outcome } from './command.js';
import { espalier } from './warm.js';

/** Spoils the gradients of the iterations it is given, each once in the life of the process; `poison`: by what the batch holds. */
const FAULTS = `import { existsSync, writeFileSync } from 'node:fs';
import { inject, On, Plugin, PluginConfig, tf } from 'espalier';
import type { BatchReady, GradientsReady } from 'espalier';
import { z } from 'zod';
const options = z.strictObject({
  gradients: z.array(z.int()).default([]),
  poison: z.boolean().default(false),
  dies: z.boolean().default(false),
});
@Plugin({ name: 'faults', summary: 'spoils gradients, and kills the process', config: options })
export default class Faults {
  private readonly done = new Set<number>();
  private poisoned = false;
  private wentBack = false;
  constructor(@inject(PluginConfig) private readonly config: z.output<typeof options>) {}
  @On('batch:ready')
  batch({ batch: { inputs } }: BatchReady): void {
    this.poisoned = this.config.poison && inputs.reduce((sum, id, at) => (31 * sum + id + at) % 997, 7) % 6 === 4;
  }
  @On('gradients:ready')
  gradients({ iteration, gradients }: GradientsReady): void {
    const isDue = this.config.gradients.includes(iteration) && !this.done.has(iteration);
    if (isDue) this.done.add(iteration);
    if (!isDue && !this.poisoned) return;
    const name = 'transformer.h.1.attn.c_attn.weight';
    const gradient = gradients.get(name);
    if (gradient === undefined) return;
    gradients.set(name, tf.keep(tf.tidy(() => tf.mul(gradient, NaN))));
    gradient.dispose();
  }
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
}
`;

/** Quick: what is tested depends on no size. */
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

test('non-finite gradients stop the run by default, and it resumes from the emergency checkpoint', async (t) => {
  const run = await train(t, '{gradients: [12]}');
  t.is(run.code, 1);
  t.regex(run.err, new RegExp(`health: iteration 13: ${BAD.source}; stopping, with an emergency checkpoint`));
  t.deepEqual(run.checkpoints, ['000013-emergency', '000010', '000005']);
  await allFinite(t, run);
  const on = await espalier(run.folder, 'train', '--resume', 'out', '-q');
  t.is(on.code, 0, on.err);
  t.true(existsSync(path.join(run.folder, 'out/checkpoints/000020')));
});

test('skip omits the step, reports it in the log and the metrics, and the run continues', async (t) => {
  const run = await train(t, '{gradients: [12]}', 'non_finite.gradients=skip');
  t.is(run.code, 0);
  t.regex(run.err, new RegExp(`${BAD.source}; skipping the step`));
  t.like(run.events, [{ event: 'step:skipped', iteration: 13 }]);
  const metrics = readFileSync(path.join(run.folder, 'out/metrics.jsonl'), 'utf8');
  t.regex(metrics, /"iter":13,.*"health\/faults":1,"health\/skipped_steps":1,"health\/rollbacks":0/);
  await allFinite(t, run);
});

test('a run killed after a rollback and resumed gives the same bits', async (t) => {
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
