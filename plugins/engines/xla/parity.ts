import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { Engine, EspalierError, Model, Optimizer, type tf } from '../../../core/index.js';
import { makeRun, microBatchStep, PassReplay, trainableParameters } from '../../../core/runs.js';
import { makeFolder, writeWholeSync } from '../../files/contract.js';
import { cacheFolder } from '../peak/cache-folder.js';
import { openDevice } from './device.js';
import type { Client } from './pjrt/client.js';

const STEPS = 4;
const SIZE = { batchSize: 4, blockSize: 32, vocabSize: 64 };
/** Largest difference of a loss, relative to engine cpu's in float32. */
const TOLERANCES = { f32: 1e-4, bf16: 1e-2 } as const;

/** Returns whether the device has passed `checkParity` with this plugin. */
export function hasParity(device: Client): boolean {
  return existsSync(recordOf(device));
}

/**
 * Trains a small model on the device and on engine cpu, and stores that the losses are equal. From then on, `engine: auto`
 * may choose the device.
 * @returns a description of the comparison
 * @throws EspalierError naming the first loss that differs
 */
export async function checkParity(): Promise<string> {
  const expected = await losses('cpu', 'f32');
  for (const [precision, tolerance] of Object.entries(TOLERANCES)) {
    const found = await losses('xla', precision);
    for (const [step, loss] of found.entries()) {
      const wanted = expected[step] ?? NaN;
      if (Math.abs(loss / wanted - 1) <= tolerance) continue;
      const what = `loss ${String(step + 1)} in ${precision} is ${String(loss)}, on the engine cpu ${String(wanted)}`;
      throw new EspalierError(
        'ESP_ENGINE',
        `engine xla computes wrong numbers on this device: ${what}; please report it`,
      );
    }
  }
  const file = recordOf(openDevice());
  makeFolder(path.dirname(file));
  writeWholeSync(file, '');
  return `${String(STEPS)} steps of a small model have the losses of the engine cpu, in f32 and in bf16`;
}

async function losses(engine: string, precision: string): Promise<number[]> {
  const model = [
    'use: gpt',
    'n_layer: 2',
    'n_head: 2',
    'n_embd: 32',
    `block_size: ${String(SIZE.blockSize)}`,
    'dropout: 0',
  ];
  const set = [`engine=${engine}`, `precision=${precision}`, `model={${model.join(', ')}}`, 'seed=1'];
  const { run } = await makeRun({ cwd: process.cwd(), presets: ['base'], set, only: ['engine', 'model', 'optimizer'] });
  try {
    await run.setUp(SIZE.vocabSize);
    const [gpt, optimizer] = [run.container.resolve(Model), run.container.resolve(Optimizer)];
    const passes = new PassReplay(run.container.resolve(Engine), gpt);
    const ids = (factor: number): Int32Array =>
      Int32Array.from({ length: SIZE.batchSize * SIZE.blockSize }, (_, index) => (index * factor) % SIZE.vocabSize);
    return Array.from({ length: STEPS }, (_, iteration) => {
      const gradients = new Map<string, tf.Tensor>();
      const batch = { ...SIZE, inputs: ids(7 + iteration), targets: ids(11 + iteration) };
      const losses = microBatchStep(passes, batch, 1, gradients, { pass: { iteration, microBatch: 0 } });
      optimizer.step({ parameters: trainableParameters(gpt), gradients, learningRate: 1e-2, gradClip: 1 });
      for (const gradient of gradients.values()) gradient.dispose();
      return losses.read().loss;
    });
  } finally {
    await run.dispose();
  }
}

function recordOf(device: Client): string {
  const name = createHash('sha256').update(device.identity).digest('hex').slice(0, 16);
  return path.join(cacheFolder(), 'xla-parity', name);
}
