import { Worker } from 'node:worker_threads';
import { EspalierError } from '../../../core/errors.js';
import type { Snapshot } from '../../../core/index.js';
import { CHECKPOINT_FORMAT } from '../stored/files.js';
import { pluginTensorName, SCALAR_PREFIX } from '../stored/read.js';
import type { CheckpointContent, OwnTensor, WriteAnswer } from './write-files.js';

/** A snapshot whose tensors and state are copied: training may go on. Taken by one `writeCheckpoint`. */
export type SnapshotCopy = CheckpointContent;

/** Copies a snapshot; what is in it may change afterwards. */
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
 * Writes a checkpoint folder in a thread of its own: beside its final name, flushed to disk, read back, then renamed.
 * @param copy is handed to the thread: it is empty afterwards
 * @throws EspalierError (`ESP_CHECKPOINT_WRITE`) when it cannot be written; nothing is left then
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
      reject(new EspalierError('ESP_CHECKPOINT_WRITE', `the thread that writes ${folder} ended (${String(code)})`));
    });
  });
  if (answer.error !== undefined) {
    throw new EspalierError('ESP_CHECKPOINT_WRITE', `checkpoint ${folder} cannot be written: ${answer.error}`);
  }
}

/** Copies float32 tensors by name: each has memory of its own, which can be handed to another thread. */
export function copyTensors(tensors: Snapshot['weights']): Map<string, OwnTensor> {
  return new Map(
    [...tensors].map(([name, tensor]) => [
      name,
      { shape: [...tensor.shape], values: new Float32Array(tensor.dataSync<'float32'>()) },
    ]),
  );
}

/** Under names that tell whose they are. */
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
