import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { createRun, LearningRate, type RunSettings } from '../../../core/index.js';
import { text, textFolder } from '../../text.js';

const fixture = fileURLToPath(new URL('../../../../test/fixtures/checkpoint-2', import.meta.url));

test('checkpoints of earlier versions, with plugin states under full names, can be resumed', async (t) => {
  const cwd = textFolder(t);
  writeFileSync(path.join(cwd, 'text.txt'), text.slice(0, 1800));
  const lines: string[] = [];
  await using run = await createRun({
    cwd,
    resume: fixture,
    override: ['engine'],
    config: { engine: 'cpu', train: { max_iters: 6 } },
    log: (_, line) => lines.push(line),
  });
  t.is(run.state.iteration, 4);
  const { status, iteration } = await run.train();
  t.deepEqual({ status, iteration }, { status: 'done', iteration: 6 }, lines.join('\n'));
});

/** As earlier versions took them, and as presets say them: by the plugin's own name, or by what follows its slot's. */
const names: readonly (readonly [string, RunSettings])[] = [
  ['full', { engine: 'engine-cpu', lr: 'warmup-cosine', batches: { strategy: 'batches-random' } }],
  ['short', { engine: 'cpu', lr: 'warmup-cosine', batches: { strategy: 'random' } }],
  ['other schedules, full', { engine: 'engine-cpu', lr: 'lr-wsd', batches: { strategy: 'batches-epoch' } }],
  ['other schedules, short', { engine: 'cpu', lr: 'wsd', batches: { strategy: 'epoch' } }],
];

test('the full and the short name of a slot’s plugin mean the same', async (t) => {
  const cwd = textFolder(t);
  const seen: unknown[] = [];
  for (const [what, config] of names) {
    await using run = await createRun({
      cwd,
      inMemory: true,
      presets: 'debug',
      config: { ...config, plugins: { checkpoint: false, 'run-log': false, report: false } },
    });
    seen.push([run.container.resolve(LearningRate).at(3, 1), Object.keys(run.snapshot().state.plugins)]);
    t.is(run.state.iteration, 0, what);
  }
  t.deepEqual(seen[0], seen[1]);
  t.deepEqual(seen[2], seen[3]);
  t.notDeepEqual(seen[0], seen[2]);
});
