import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { readCheckpoint } from '../../plugins/checkpoint/stored/read.js';
import { textFolder } from '../text.js';
import { scorePlugin } from '../plugins/batches/score-plugin.js';
import { assertSameThoughResumed } from './resumed.js';
import { espalier } from './warm.js';

const set = (...settings: string[]): string[] => settings.flatMap((setting) => ['--set', setting]);

for (const restores of [true, false]) {
  test(`restore_best ${String(restores)}: a resume in the middle of patience stops where the run without a stop does`, async (t) => {
    const folder = textFolder(t);
    const settings = [
      'engine=auto',
      'data.text=text.txt',
      'model={n_embd: 16, block_size: 16}',
      'plugins.evaluation={interval: 2, iters: 1}',
      scorePlugin(folder, [3, 2, 1, 2]),
      `plugins.early-stopping={monitor: score, patience: 4, restore_best: ${String(restores)}}`,
    ];
    const { parts } = await assertSameThoughResumed(t, folder, 10, settings);
    const { state } = await readCheckpoint(path.join(parts, 'checkpoints/000014'));
    t.is(state.run.iteration, 14);
    t.regex(readFileSync(path.join(parts, 'events.jsonl'), 'utf8'), /early stopping: score did not improve 4 times/);
    const listed = JSON.parse((await espalier(folder, 'checkpoint', 'list', '--json', parts)).out) as {
      name: string;
      val_loss: number | null;
    }[];
    const lossOf = (name: string) => listed.find((each) => each.name === name)?.val_loss;
    t.is(typeof lossOf('000014'), 'number');
    t.is(lossOf('000014') === lossOf('000006'), restores, 'the loss of the weights that are in it');
  });
}

test('resume: auto does not continue a run ended by early stopping, unless its settings change or --resume is given', async (t) => {
  const folder = textFolder(t);
  const settings = [
    'engine=auto',
    'data.text=text.txt',
    'run.dir=out',
    'resume=auto',
    'train.max_iters=40',
    'lr.decay_iters=40',
    'model={n_embd: 16, block_size: 16}',
    'plugins.evaluation={interval: 2, iters: 1}',
    scorePlugin(folder, [3, 2, 1, 2]),
  ];
  const train = async (patience: number, ...more: string[]): Promise<{ at: number; err: string }> => {
    const stopping = `plugins.early-stopping={monitor: score, patience: ${String(patience)}, restore_best: false}`;
    const { code, err } = await espalier(folder, 'train', '-p', 'debug', ...set(...settings, stopping), ...more);
    t.is(code, 0, err);
    return { at: Number(/after (\d+) iterations/.exec(err)?.[1]), err };
  };
  const lines = (): number => readFileSync(path.join(folder, 'out/metrics.jsonl'), 'utf8').split('\n').length;
  const first = await train(2);
  t.true(first.at < 20, first.err);
  const logged = lines();
  for (let requeued = 0; requeued < 2; requeued++) {
    const { at, err } = await train(2);
    t.is(at, first.at);
    t.regex(err, /the run has ended \(early stopping: score did not improve 2 times.*use --resume/);
    t.regex(err, /stopped: early stopping: score did not improve/);
    t.is(lines(), logged);
  }
  const patient = await train(4);
  t.true(patient.at > first.at, patient.err);
  const asked = await train(4, '--resume');
  t.true(asked.at > patient.at, asked.err);
  t.is((await train(4)).at, asked.at);
  t.true((await train(4, ...set('train.max_iters=60'))).at > asked.at);
});

test('an unknown metric is reported with the nearest name, and nothing is created', async (t) => {
  const folder = textFolder(t);
  const settings = set('engine=auto', 'data.text=text.txt', 'plugins.early-stopping.monitor=val/los');
  const { code, err } = await espalier(folder, 'train', '-p', 'debug', ...settings);
  t.is(code, 2);
  t.regex(err, /ESP_METRIC_UNKNOWN/);
  t.regex(err, /did you mean "val\/loss"\?/);
  t.false(existsSync(path.join(folder, 'runs')));
});
