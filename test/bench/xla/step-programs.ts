import { type Batch, Engine, Model, Optimizer, tf } from '../../../core/index.js';
import { makeRun } from '../../../core/run/make.js';
import { PassReplay } from '../../../core/run/pass-replay.js';
import { microBatchStep, trainableParameters } from '../../../core/run/step.js';
import { Terminal } from '../../../core/terminal.js';
import { unreadNorm } from '../../../core/tf.js';
import { useDevice } from '../../../plugins/engines/xla/device.js';
import type { PjrtPlugin } from '../../../plugins/engines/xla/pjrt/plugin.js';
import { settingsOf, type Shape } from '../shapes.js';
import { DescribedClient, type GivenProgram } from './described-client.js';

/**
 * The programs that a training step of the engine `xla` runs on a GPU in bf16, in order, once all are compiled.
 * @param capability CUDA's compute capability of the GPU
 * @param dropout of the model
 * @param devices among which they divide the batch
 */
export async function stepPrograms(
  plugin: PjrtPlugin,
  shape: Shape,
  capability: number,
  dropout = 0,
  devices = 1,
): Promise<GivenProgram[]> {
  const client = new DescribedClient(plugin, capability, devices);
  const release = useDevice(client);
  const { run } = await makeRun({
    cwd: import.meta.dirname,
    presets: ['base'],
    set: [
      `engine={use: xla, devices: ${String(devices)}}`,
      `train.batch_size=${String(shape.batchSize)}`,
      'precision=bf16',
      `model.vocab_size=${String(shape.vocabSize)}`,
      'model.use=gpt',
      ...settingsOf(shape),
      `model.dropout=${String(dropout)}`,
    ],
    only: ['engine', 'model', 'optimizer'],
    terminal: new Terminal({ quiet: true }),
  });
  try {
    await run.setUp(shape.vocabSize);
    const [model, optimizer] = [run.container.resolve(Model), run.container.resolve(Optimizer)];
    const passes = new PassReplay(run.container.resolve(Engine), model);
    const size = shape.batchSize * shape.blockSize;
    const { batchSize, blockSize } = shape;
    const batch: Batch = { batchSize, blockSize, inputs: new Int32Array(size), targets: new Int32Array(size) };
    for (let iteration = 0; iteration < 2; iteration++) {
      client.ran.length = 0;
      const gradients = new Map<string, tf.Tensor>();
      const losses = microBatchStep(passes, batch, 1, gradients, { pass: { iteration, microBatch: 0 } });
      const gradNorm = unreadNorm([...gradients.values()]);
      optimizer.stepUnread?.({
        parameters: trainableParameters(model),
        gradients,
        learningRate: 1e-3,
        gradClip: 1,
        gradNorm,
      });
      for (const gradient of gradients.values()) gradient.dispose();
      losses.read();
      gradNorm.dispose();
    }
    return [...client.ran];
  } finally {
    await run.dispose();
    release();
  }
}
