import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { textFolder } from '../text.js';
import { espalier } from './warm.js';

const config = `
extends: [debug]
data: { text: text.txt }
model: { n_layer: 1, n_embd: 8, block_size: 8 }
train: { max_iters: 10, batch_size: 2 }
lr: { use: wsd, warmup_iters: 1, cooldown_iters: 4, shape: linear }
plugins: { training-metrics: { interval: 1 }, evaluation: { interval: 0, iters: 1 } }
`;

test('lr: wsd over a preset trains at its rates without warnings', async (t) => {
  const folder = textFolder(t);
  writeFileSync(path.join(folder, 'espalier.config.yaml'), config);
  const { code, err } = await espalier(folder, 'train', '--quiet');
  t.is(code, 0, err);
  t.is(err, '');
  const lines = readFileSync(path.join(folder, 'runs/debug/metrics.jsonl'), 'utf8').trim().split('\n');
  const rates = lines.map((line) => (JSON.parse(line) as { lr?: number }).lr).filter((rate) => rate !== undefined);
  // The preset's rate is 1e-3; its own min_lr goes with its schedule, so that a tenth is reached at iteration 10.
  const expected = [0.0005, 0.001, 0.001, 0.001, 0.001, 0.001, 0.001, 0.000775, 0.00055, 0.000325];
  t.deepEqual(
    rates.map((rate) => Number(rate.toPrecision(6))),
    expected,
  );
});
