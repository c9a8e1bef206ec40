import { once } from 'node:events';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import test from 'ava';
import { z } from 'zod';
import { textFolder } from '../text.js';
import { espalier as espalierAlone, ownTemporaryFolder, started } from './command.js';
import { espalier } from './warm.js';

const temporary = ownTemporaryFolder();

const settings = [
  'data.text=text.txt',
  'model={n_layer: 2, n_head: 2, n_embd: 16, block_size: 16, dropout: 0.1}',
  'train={batch_size: 2, gradient_accumulation_steps: 2}',
  'plugins.evaluation={interval: 2, iters: 1}',
].flatMap((setting) => ['--set', setting]);

const WEIGHT = 'transformer.h.1.mlp.c_fc.weight';

/** From its third iteration on it adds the clock to an element of a gradient, or puts the process's number into a batch. */
const clockwork = `import * as tf from '@tensorflow/tfjs-core';
import { On, Plugin, type BatchReady, type GradientsReady } from 'espalier';
@Plugin({ name: 'clockwork', summary: 'makes a run depend on the clock' })
export default class Clockwork {
  @On('batch:ready')
  shift({ iteration, microBatch, batch }: BatchReady): void {
    if (process.env['CLOCK_IN'] === 'batch' && iteration === 2 && microBatch === 1) batch.targets[5] = process.pid;
  }
  @On('gradients:ready')
  add({ iteration, gradients }: GradientsReady): void {
    const gradient = gradients.get('${WEIGHT}');
    if (process.env['CLOCK_IN'] !== 'gradient' || iteration < 2 || gradient === undefined) return;
    const noise = tf.buffer(gradient.shape);
    noise.set(performance.now(), 3, 7);
    gradients.set('${WEIGHT}', tf.keep(tf.tidy(() => tf.add(gradient, noise.toTensor()))));
    gradient.dispose();
  }
}
`;

const answer = z.object({
  same: z.array(z.string()),
  iterations: z.int(),
  difference: z
    .object({
      what: z.string(),
      iteration: z.int(),
      tensor: z.string(),
      shape: z.array(z.int()),
      at: z.array(z.int()),
      values: z.array(z.number()),
      differing: z.int(),
      largest: z.number(),
    })
    .nullable(),
});

function left(): string[] {
  return readdirSync(temporary).filter((name) => name.startsWith('espalier-verify-'));
}

test.serial('with the default plugins both runs give the same bits, and leave nothing behind', async (t) => {
  const folder = textFolder(t);
  const { code, out, err } = await espalier(
    folder,
    ...['train', '-p', 'char-small', ...settings, '--verify-determinism', '3'],
  );
  t.is(code, 0, out + err);
  t.regex(out, /^the same: the weights at the start\nthe same: batches, gradients and weights of 3 iterations\n/);
  t.regex(out, /The two runs are the same, bit for bit\.\nThe promise holds for the same engine/);
  t.deepEqual(readdirSync(folder), ['text.txt']);
  t.deepEqual(left(), []);
});

test.serial('noise in a gradient is reported with iteration, tensor, position and both values', async (t) => {
  const folder = textFolder(t);
  writeFileSync(path.join(folder, 'clockwork.ts'), clockwork);
  process.env['CLOCK_IN'] = 'gradient';
  t.teardown(() => delete process.env['CLOCK_IN']);
  const args = ['train', '-p', 'debug', ...settings, '--set', 'plugins={"./clockwork.ts": {}}'];
  const text = await espalier(folder, ...args, '--verify-determinism', '4');
  t.is(text.code, 1, text.out + text.err);
  t.regex(
    text.out,
    /DIFFERENT: iteration 3: the gradient of transformer\.h\.1\.mlp\.c_fc\.weight \[16, 64\] differs first at \[3, 7\]: [\d.]+ and [\d.]+ \(1 of 1024 elements differ, by at most [\d.e-]+\)/,
  );
  const { code, out } = await espalier(folder, ...args, '--verify-determinism', '4', '--json');
  t.is(code, 1);
  const { difference, iterations } = answer.parse(JSON.parse(out));
  t.is(iterations, 2);
  t.like(difference, { what: 'gradients', iteration: 3, tensor: WEIGHT, shape: [16, 64], at: [3, 7], differing: 1 });
  const [one = NaN, two = NaN] = difference!.values;
  t.is(Math.abs(one - two), difference!.largest);
});

test.serial('a different batch is reported as such, not by the gradients that follow from it', async (t) => {
  const folder = textFolder(t);
  writeFileSync(path.join(folder, 'clockwork.ts'), clockwork);
  process.env['CLOCK_IN'] = 'batch';
  t.teardown(() => delete process.env['CLOCK_IN']);
  const args = ['train', '-p', 'debug', ...settings, '--set', 'plugins={"./clockwork.ts": {}}'];
  const { code, out } = await espalier(folder, ...args, '--verify-determinism', '4', '--json');
  t.is(code, 1);
  const { difference } = answer.parse(JSON.parse(out));
  t.like(difference, { what: 'batch', iteration: 3, tensor: 'targets of micro-batch 1', shape: [2, 16], at: [0, 5] });
});

test.serial('a signal ends its processes and removes its folder', async (t) => {
  const more = ['--set', 'train.max_iters=1000000', '--verify-determinism', '1000000'];
  const child = started(textFolder(t), 'train', '-p', 'debug', ...settings, ...more);
  const closed = once(child, 'close');
  const trains = (run: string): boolean => existsSync(path.join(temporary, left()[0] ?? '', run, 'config.yaml'));
  while (!trains('one') || !trains('two')) await pause(20);
  child.kill('SIGTERM');
  t.is((await closed)[0], 143);
  t.deepEqual(left(), []);
});

test.serial('a shorter run is reported; a failing run and wrong usage exit with 2', async (t) => {
  const folder = textFolder(t);
  const args = ['train', '-p', 'debug', ...settings];
  const short = await espalier(folder, ...args, '--set', 'train.max_iters=2', '--verify-determinism', '5');
  t.is(short.code, 0, short.err);
  t.regex(short.out, /weights of 2 iterations\nthe run ended after 2 of 5 iterations\nThe two runs are/);
  const failing = await espalier(folder, ...args, '--set', 'data.text=none.txt', '--verify-determinism', '2');
  t.is(failing.code, 2);
  t.regex(failing.err, /ended with exit code 2: .*none\.txt.*\[ESP_VERIFY_RUN\]/);
  t.deepEqual(left(), []);
  const both = await espalier(folder, ...args, '--verify-determinism', '2', '--resume');
  t.is(both.code, 2);
  t.regex(both.err, /--verify-determinism <iterations>' cannot be used with option '--resume/);
  const alone = await espalierAlone(folder, ...args, '--set', 'plugins.determinism-check={}');
  t.is(alone.code, 2);
  t.regex(alone.err, /run espalier train --verify-determinism N \[ESP_VERIFY_RUN\]/);
});
