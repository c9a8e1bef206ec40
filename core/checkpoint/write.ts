import { Worker } from 'node:worker_threads';
import type { Snapshot, StoredTensor } from '../contracts/checkpoint-store.js';
import { EspalierError } from '../errors.js';
import { SCALAR_PREFIX } from './read.js';
import type { CheckpointContent, WriteAnswer } from './write-files.js';

/** A snapshot whose tensors and state are copied: training may go on. Taken by one `writeCheckpoint`. */
export type SnapshotCopy = CheckpointContent;

/** Copies a snapshot; what is in it may change afterwards. */
export function copySnapshot(snapshot: Snapshot): SnapshotCopy {
  const optimizer = copied(snapshot.optimizer.tensors);
  for (const [name, value] of Object.entries(snapshot.optimizer.scalars)) {
    optimizer.set(SCALAR_PREFIX + name, { shape: [1], values: Int32Array.of(value) });
  }
  return {
    weights: copied(snapshot.weights),
    optimizer,
    model: JSON.stringify(snapshot.model, null, 2),
    state: JSON.stringify(snapshot.state, null, 2),
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
    transferList: [...copy.weights.values(), ...copy.optimizer.values()].map(({ values }) => values.buffer),
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

function copied(tensors: Snapshot['weights']): Map<string, StoredTensor & { values: { buffer: ArrayBuffer } }> {
  return new Map(
    [...tensors].map(([name, tensor]) => [
      name,
      { shape: [...tensor.shape], values: new Float32Array(tensor.dataSync<'float32'>()) },
    ]),
  );
}
