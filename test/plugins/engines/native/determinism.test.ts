import test from 'ava';
import type { ExecutionContext } from 'ava';
import { debugRun, textFolder } from '../../../core/run/debug-run.js';
import { availableEngines } from '../../ops/engines.js';
import { engineNeed, skipped } from '../../../needs.js';

const native = (await availableEngines()).find(({ name }) => name === 'native');

for (const precision of ['f32', 'bf16']) {
  const title = `engine native in ${precision}: a run is the same bits again, on any number of threads`;
  if (native?.works !== true) {
    skipped(title, await engineNeed('native'));
    continue;
  }
  test.serial(title, async (t) => {
    const first = await outcome(t, precision, 1);
    for (const threads of [2, 3]) {
      const again = await outcome(t, precision, threads);
      t.deepEqual(again.losses, first.losses, `${String(threads)} threads: losses`);
      for (const [name, values] of first.weights) {
        t.deepEqual(again.weights.get(name), values, `${String(threads)} threads: ${name}`);
      }
    }
    t.is(new Set(first.losses).size, first.losses.length);
  });
}

interface Outcome {
  readonly losses: number[];
  readonly weights: ReadonlyMap<string, Float32Array>;
}

/** Big enough that kernels divide their work among threads. */
async function outcome(t: ExecutionContext, precision: string, threads: number): Promise<Outcome> {
  const { run } = await debugRun(
    t,
    textFolder(t),
    `engine={use: native, threads: ${String(threads)}}`,
    `precision=${precision}`,
    'model={n_layer: 1, n_head: 3, n_embd: 96, block_size: 128, dropout: 0.1}',
    'train={max_iters: 3, batch_size: 8, gradient_accumulation_steps: 2}',
    'plugins.evaluation={interval: 3, iters: 1}',
  );
  const losses: number[] = [];
  run.bus.on('iteration:end', ({ loss }) => losses.push(loss));
  await run.setUp();
  await run.train();
  const weights = new Map<string, Float32Array>();
  for (const [name, variable] of run.model.parameters()) weights.set(name, variable.dataSync<'float32'>().slice());
  return { losses, weights };
}
