import { Worker } from 'node:worker_threads';
import { EspalierError } from '../../../core/errors.js';
import type { Snapshot } from '../../../core/index.js';
import { CHECKPOINT_FORMAT } from '../stored/files.js';
import { pluginTensorName, SCALAR_PREFIX } from '../stored/read.js';
import type { CheckpointContent, OwnTensor, WriteAnswer } from './write-files.js';

/** A copy of a snapshot, so training may continue. Can be passed to `writeCheckpoint` once. */
export type SnapshotCopy = CheckpointContent;

/** Copies a snapshot: later changes of its tensors do not affect the copy. */
export function copySnapshot(snapshot: Snapshot): SnapshotCopy {
  const optimizer = copyTensors(snapshot.optimizer.tensors);
  for (const [name, value] of Object.entries(snapshot.optimizer.scalars)) {
    optimizer.set(SCALAR_PREFIX + name, { shape: [1], values: Int32Array.of(value) });
  }
  return {
    weights: copyTensors(snapshot.weights),
    optimizer,
    plugins: ownCopies(snapshot.plugins),
    model: JSON.stringify(snapshot.model, null, 2),
    state: JSON.stringify({ format: CHECKPOINT_FORMAT, ...snapshot.state }, null, 2),
  };
}

/**
 * Writes a checkpoint folder in a new thread: under a temporary name, flushed to disk, read back, then renamed.
 * @param copy is transferred to the thread: its arrays are empty afterwards
 * @throws EspalierError (`ESP_CHECKPOINT_WRITE`) when it cannot be written; nothing is left behind
 */
export async function writeCheckpoint(folder: string, copy: SnapshotCopy): Promise<void> {
  const worker = new Worker(new URL('./write-worker.js', import.meta.url), {
    workerData: { folder, content: copy },
    transferList: [copy.weights, copy.optimizer, copy.plugins]
      .flatMap((tensors) => [...tensors.values()])
      .map(({ values }) => values.buffer),
  });
  const answer = await new Promise<WriteAnswer>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', (code) => {
      reject(
        new EspalierError('ESP_CHECKPOINT_WRITE', `the thread that writes ${folder} exited with code ${String(code)}`),
      );
    });
  });
  if (answer.error !== undefined) {
    throw new EspalierError('ESP_CHECKPOINT_WRITE', `checkpoint ${folder} cannot be written: ${answer.error}`);
  }
}

/** Copies float32 tensors by name, each into a buffer of its own that can be transferred to another thread. */
export function copyTensors(tensors: Snapshot['weights']): Map<string, OwnTensor> {
  return new Map(
    [...tensors].map(([name, tensor]) => [
      name,
      { shape: [...tensor.shape], values: new Float32Array(tensor.dataSync<'float32'>()) },
    ]),
  );
}

/** Copies the plugins' tensors under names that include the plugin. */
function ownCopies(plugins: Snapshot['plugins']): Map<string, OwnTensor> {
  return new Map(
    [...plugins].flatMap(([plugin, tensors]) =>
      [...tensors].map(([name, { shape, values }]): [string, OwnTensor] => [
        pluginTensorName(plugin, name),
        { shape: [...shape], values: values.slice() },
      ]),
    ),
  );
}
