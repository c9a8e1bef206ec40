import test from 'ava';
import LabelSmoothing from '../../../plugins/losses/label-smoothing.js';
import ZLoss from '../../../plugins/losses/z-loss.js';
import { assertDeclaredMetrics, assertResumes, testRun, type Fault } from '../../../plugins/testing/contract.js';
import { assertSame, masked, stepsOf } from '../../core/run/divisions.js';

test.serial('their gradient does not depend on how 16 windows are divided', async (t) => {
  const plugins = [LabelSmoothing, ZLoss];
  const whole = await stepsOf(t, { ranks: 1, microBatches: 1 }, 'auto', masked, plugins);
  for (const division of [
    { ranks: 1, microBatches: 4 },
    { ranks: 2, microBatches: 2 },
  ]) {
    assertSame(t, await stepsOf(t, division, 'auto', masked, plugins), whole, JSON.stringify(division));
  }
});

test.serial('a run with both resumes exactly, with micro-batches of unequal numbers of targets', async (t) => {
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
});

test.serial('their means are metrics of their own; the training loss stays cross-entropy', async (t) => {
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
