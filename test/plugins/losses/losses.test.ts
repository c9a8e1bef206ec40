import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import LabelSmoothing from '../../../plugins/losses/label-smoothing.js';
import ZLoss from '../../../plugins/losses/z-loss.js';
import { assertDeclaredMetrics, assertResumes, testRun, type Fault } from '../../../plugins/testing/contract.js';
import { assertSame, masked, stepsOf } from '../../core/run/divisions.js';
import { ownPlugin } from '../../own-plugin.js';
import { espalier } from '../../e2e/warm.js';

test.serial('the gradient of loss terms does not depend on how 16 windows are divided', async (t) => {
  const plugins = [LabelSmoothing, ZLoss];
  const whole = await stepsOf(t, { ranks: 1, microBatches: 1 }, 'auto', masked, plugins);
  for (const division of [
    { ranks: 1, microBatches: 4 },
    { ranks: 2, microBatches: 2 },
  ]) {
    assertSame(t, await stepsOf(t, division, 'auto', masked, plugins), whole, JSON.stringify(division));
  }
});

test.serial(
  'a run with both terms resumes exactly, even if micro-batches differ in their number of targets',
  async (t) => {
    const masks: Fault = ({ run }) => {
      run.on('batch:ready', (drawn) => {
        drawn.batch = masked(drawn.batch, drawn.iteration, 2 * drawn.microBatch);
      });
    };
    await t.notThrowsAsync(
      assertResumes({
        plugins: ['label-smoothing', ['z-loss', { weight: 0.01 }]],
        config: { train: { gradient_accumulation_steps: 3 } },
        faults: [masks],
      }),
    );
  },
);

test.serial('the means of loss terms are metrics; the training loss stays cross-entropy', async (t) => {
  const plugins = [['label-smoothing', { weight: 0.2 }], 'z-loss', ['training-metrics', { interval: 1 }]] as const;
  await using made = await testRun({ iterations: 3, plugins });
  await made.train();
  const ends = made.events.of('iteration:end');
  const published = (name: string): number[] => [...made.events.metric(name).values()];
  t.deepEqual(['train/loss', 'train/label_smoothing', 'train/z_loss'].map(published), [
    ends.map(({ loss }) => loss),
    ...['label-smoothing', 'z-loss'].map((name) => ends.map(({ terms }) => terms[name] ?? NaN)),
  ]);
  t.deepEqual(
    made.log.filter(({ level }) => level === 'warn'),
    [],
  );
  await t.notThrowsAsync(assertDeclaredMetrics({ plugins: [...plugins] }));
});

test.serial('a config turns loss terms on; a second term with the same name is refused with its line', async (t) => {
  const folder = ownPlugin(t, {
    options: "metrics: { 'train/mine': { unit: '', what: 'of mine' } }",
    body: `static register(bindings) { bindings.add(espalier.LossTerms, Mine); }
  name = 'z-loss'; metric = 'train/mine'; weight = 1;
  compute(pass) { return pass.mean(pass.losses()); }`,
  });
  const config = (plugins: string): void => {
    const train = 'train: { max_iters: 3 }\nrun: { dir: out }\n';
    writeFileSync(path.join(folder, 'espalier.config.yaml'), `extends: [debug]\n${train}plugins:\n${plugins}`);
  };
  const shown = '  training-metrics: { interval: 1 }\n  label-smoothing: true\n  z-loss: { weight: 0.01 }\n';
  config(`${shown}  ./mine.ts: true\n`);
  const refused = await espalier(folder, 'train', '--dry-run');
  t.is(refused.code, 2);
  t.regex(
    refused.err,
    /config\.yaml:8: plugin mine and .*config\.yaml:7: plugin z-loss both add .* "z-loss".*ESP_LOSS_TERM/,
  );
  config(shown.replace('0.01', '-1'));
  const negative = await espalier(folder, 'train', '--dry-run');
  t.regex(negative.err, /config\.yaml:7: key plugins\.z-loss\.weight: .*>=0/);
  config(shown);
  const trained = await espalier(folder, 'train', '--quiet');
  t.is(trained.code, 0, trained.err);
  const lines = readFileSync(path.join(folder, 'out/metrics.jsonl'), 'utf8').split('\n');
  for (const name of ['train/loss', 'train/label_smoothing', 'train/z_loss']) {
    t.is(lines.filter((line) => line.includes(`"${name}":`)).length, 3, name);
  }
});
