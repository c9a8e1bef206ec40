import test from 'ava';
import { testRun } from '../../../../plugins/testing/contract.js';
import { activation, activationLinear, ACTIVATIONS, gated, rmsNorm } from '../../../../plugins/index.js';
import { loadBinding } from '../../../../plugins/engines/native/binding.js';
import { normals, type Case } from '../../ops/cases.js';
import { compute } from '../../ops/compare.js';
import { availableEngines } from '../../ops/engines.js';
import { engineNeed, skipped } from '../../../needs.js';

const native = (await availableEngines()).find(({ name }) => name === 'native');

for (const precision of ['f32', 'bf16'] as const) {
  const title = `engine native in ${precision}: a run is the same bits again, on any number of threads`;
  if (native?.works !== true) {
    skipped(title, await engineNeed('native'));
    continue;
  }
  test.serial(title, async (t) => {
    const first = await outcome(precision, 1);
    for (const threads of [2, 3]) {
      const again = await outcome(precision, threads);
      t.deepEqual(again.losses, first.losses, `${String(threads)} threads: losses`);
      for (const [name, values] of first.weights) {
        t.deepEqual(again.weights.get(name), values, `${String(threads)} threads: ${name}`);
      }
    }
    t.is(new Set(first.losses).size, first.losses.length);
  });
}

const fused = 'engine native: fused operations are the same bits on any number of threads';
if (native?.works !== true) skipped(fused, await engineNeed('native'));
else {
  test.serial(fused, (t) => {
    const binding = loadBinding();
    const wide = [70, 1000];
    const cases: Case[] = [
      { inputs: normals(1, wide, [1000]), apply: (x, weight) => rmsNorm(x, weight) },
      ...ACTIVATIONS.flatMap((kind): Case[] => [
        { inputs: normals(2, wide), apply: (x) => activation(x, kind) },
        { inputs: normals(3, wide, wide), apply: (gate, up) => gated(gate, up, kind) },
        { inputs: normals(4, wide, [1000, 9]), apply: (x, weight) => activationLinear(x, kind, weight) },
      ]),
    ];
    for (const each of cases) {
      const [one, two, three] = [1, 2, 3].map((threads) => {
        binding.setThreads(threads);
        return Buffer.concat(compute(each, native.backend).map(({ buffer }) => new Uint8Array(buffer)));
      });
      t.true(two!.equals(one!));
      t.true(three!.equals(one!));
    }
  });
}

interface Outcome {
  readonly losses: number[];
  readonly weights: ReadonlyMap<string, Float32Array>;
}

/** Large enough that kernels divide their work among threads. */
async function outcome(precision: 'f32' | 'bf16', threads: number): Promise<Outcome> {
  await using run = await testRun({
    iterations: 3,
    config: {
      engine: { use: 'native', threads },
      precision,
      model: { n_head: 3, n_embd: 96, block_size: 128 },
      train: { batch_size: 8, gradient_accumulation_steps: 2 },
    },
  });
  await run.train();
  return { losses: [...run.events.losses.values()], weights: run.weights() };
}
