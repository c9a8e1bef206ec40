// `node .docs/dashboard-runs.mjs FOLDER`: writes runs to look at the dashboard with, as real runs of a tiny model:
// FOLDER/30/… and FOLDER/200/…, two runs with 200 metrics.
import path from 'node:path';
import process from 'node:process';
import { EventBus, inject, On, Plugin } from '../dist/plugins/index.js';
import { nanGradients, testRun } from '../dist/plugins/testing/contract.js';

const TEXT = 'Call me Ishmael. Some years ago, having little or no money in my purse, I thought I would sail about. ';
const parts = ['rank', 'norm', 'drift', 'update_ratio'];
const weights = ['query', 'key', 'value', 'output', 'mlp_in', 'mlp_out'];
const layers = [0, 1, 2, 3, 4, 5, 6, 7];
const names = parts.flatMap((part) =>
  weights.flatMap((weight) => layers.map((layer) => `analysis/${part}/${weight}/layer_${layer}`)),
);

/** Publishes 192 metrics. */
class Many {
  constructor(bus) {
    this.bus = bus;
  }

  async publish({ iteration, loss }) {
    if (iteration % 4 !== 0) return;
    const values = Object.fromEntries(
      names.map((name, at) => [name, loss * (1 + (at % 8) / 8) + 0.1 * Math.sin(at + iteration / (5 + (at % 7)))]),
    );
    await this.bus.dispatch('metrics', { iteration: iteration + 1, values });
  }
}
On('iteration:end')(Many.prototype, 'publish');
inject(EventBus)(Many, undefined, 0);
Plugin({
  name: 'many',
  summary: 'publishes many metrics',
  metrics: Object.fromEntries(
    names.map((name) => [name, { unit: '', what: `${name.replaceAll('/', ' ')}, for looks` }]),
  ),
})(Many);

async function write(folder, { plugins = [], config = {}, iterations = 160, faults = [] }) {
  const run = await testRun({
    folder,
    iterations,
    text: TEXT.repeat(30),
    plugins: ['run-log', 'training-metrics', 'health', 'samples', ...plugins],
    faults,
    config: {
      plugins: {
        evaluation: { interval: 20, iters: 4 },
        'training-metrics': { interval: 2 },
        samples: { interval: 2, tokens: 60, prompts: ['Call me', 'Some years'] },
      },
      ...config,
    },
  });
  await run.train().catch((error) => console.error(`${folder}: ${error.message}`));
  await run.dispose();
  console.log(folder);
}

const target = process.argv[2] ?? 'runs';
let number = 0;
for (const use of ['adamw', 'lion', 'sgd']) {
  for (const learning_rate of [1e-4, 3e-4, 1e-3, 3e-3, 1e-2]) {
    for (const n_embd of [16, 32]) {
      number++;
      await write(path.join(target, '30', `${use}-${String(number).padStart(2, '0')}`), {
        iterations: number % 9 === 0 ? 90 : 160,
        config: { optimizer: { use, learning_rate }, model: { n_embd } },
        faults: number === 20 ? [nanGradients({ iteration: 60 })] : [],
      });
    }
  }
}
for (const learning_rate of [1e-3, 5e-3]) {
  await write(path.join(target, '200', `lr-${learning_rate}`), {
    plugins: [Many, 'profiler'],
    config: { optimizer: { learning_rate } },
  });
}
