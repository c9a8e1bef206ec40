import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { Logger } from '../../../core/index.js';
import type { Sample } from '../../../plugins/sampling/contract.js';
import { findCheckpoint } from '../../../plugins/checkpoint/stored/find.js';
import { readCheckpoint } from '../../../plugins/checkpoint/stored/read.js';
import { makeRun } from '../../../core/run/make.js';
import { textFolder } from '../../text.js';

const tiny = [
  'train={max_iters: 7, batch_size: 2}',
  'model={n_layer: 1, n_embd: 8, n_head: 1, block_size: 8, dropout: 0.1}',
  'plugins={evaluation: {interval: 2, iters: 1}, training-metrics: {interval: 1}, progress: false}',
];

interface Outcome {
  samples: Sample[];
  losses: number[];
  warnings: string[];
  said: string[];
}

interface Way {
  resume?: boolean;
  /** Stops with a checkpoint after this many iterations. */
  stopAfter?: number;
  data?: string;
}

async function trained(
  t: ExecutionContext,
  folder: string,
  { resume = false, stopAfter, data = '{text: text.txt}' }: Way,
  ...set: string[]
): Promise<Outcome> {
  const settings = ['engine=auto', `data=${data}`, ...tiny, ...set];
  const { run } = await makeRun({ cwd: folder, presets: ['debug'], set: settings });
  t.teardown(() => run.dispose());
  run.bus.on('iteration:end', ({ iteration }) => {
    if (iteration + 1 !== stopAfter) return;
    run.control.requestCheckpoint('latest');
    run.control.requestStop('enough');
  });
  const outcome: Outcome = { samples: [], losses: [], warnings: [], said: [] };
  run.container.resolve(Logger).addSink((level, line) => {
    if (level === 'warn') outcome.warnings.push(line);
    else outcome.said.push(line);
  });
  run.bus.on('sample', (sample) => outcome.samples.push(sample));
  run.bus.on('metrics', ({ values }) => {
    for (const name of ['train/loss', 'val/loss']) {
      const value = values[name];
      if (value !== undefined) outcome.losses.push(value);
    }
  });
  await run.setUp();
  const from = resume ? await findCheckpoint(run.folder.path, folder) : undefined;
  if (from !== undefined) run.restore(await readCheckpoint(from));
  await run.train(from);
  await run.dispose();
  return outcome;
}

test('samples are generated at evaluations, including the last, and do not affect training', async (t) => {
  const folder = textFolder(t);
  const plain = await trained(t, folder, {}, 'run.dir=plain');
  t.deepEqual(plain.samples, []);
  const on = 'plugins.samples={prompts: [the, fox], tokens: 9}';
  const sampled = await trained(t, folder, {}, 'run.dir=sampled', on);
  t.deepEqual(sampled.losses, plain.losses);
  t.deepEqual(
    sampled.samples.map(({ iteration, prompt, text }) => [iteration, prompt, text.length]),
    [2, 4, 6, 7].flatMap((iteration) => [
      [iteration, 'the', 9],
      [iteration, 'fox', 9],
    ]),
  );
  t.true(new Set(sampled.samples.map(({ text }) => text)).size > 4, 'other random numbers each time');
  const [first] = sampled.samples;
  t.true(sampled.said.includes(`sample at iteration 2:\nthe${String(first?.text)}`));
  t.deepEqual((await trained(t, folder, {}, 'run.dir=again', on)).samples, sampled.samples);
});

test('samples at every second evaluation continue across a resume; temperature 0 takes the likeliest token', async (t) => {
  const folder = textFolder(t);
  const on = 'plugins.samples={interval: 2, temperature: 0, prompts: [q], tokens: 4}';
  const whole = await trained(t, folder, {}, 'run.dir=whole', on);
  t.deepEqual(
    whole.samples.map(({ iteration }) => iteration),
    [4, 7],
  );
  const first = await trained(t, folder, { stopAfter: 3 }, 'run.dir=parts', on);
  t.deepEqual(first.samples, []);
  const second = await trained(t, folder, { resume: true }, 'run.dir=parts', on);
  t.deepEqual(second.samples, whole.samples);
});

test('without a prompt a sample continues a line break, or the first token if the text has none', async (t) => {
  const { samples } = await trained(t, textFolder(t), {}, 'plugins.samples={tokens: 3}');
  t.is(samples.length, 4);
  t.is(samples[0]?.prompt, ' ');
});

test('a prompt without tokens, or data without a tokenizer, is reported once, and the run continues', async (t) => {
  const folder = textFolder(t);
  const odd = await trained(t, folder, {}, 'plugins.samples={prompts: ["THE", the], tokens: 3}');
  t.deepEqual(new Set(odd.samples.map(({ prompt }) => prompt)), new Set(['the']));
  t.is(odd.warnings.length, 1);
  t.regex(odd.warnings[0] ?? '', /samples: prompt "THE" is skipped: .*T/);

  mkdirSync(path.join(folder, 'tokens'));
  const tokens = Uint8Array.from({ length: 400 }, (_, i) => (i % 2 === 0 ? i % 20 : 0));
  for (const name of ['train.bin', 'val.bin']) writeFileSync(path.join(folder, 'tokens', name), tokens);
  const none = await trained(t, folder, { data: '{dir: tokens}' }, 'run.dir=none', 'plugins.samples={}');
  t.deepEqual(none.samples, []);
  t.deepEqual(none.warnings, ['samples: no samples, because the data has no tokenizer']);
});
