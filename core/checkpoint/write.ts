import { mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Tensor } from '@tensorflow/tfjs-core';
import type { Snapshot, StoredTensor } from '../contracts/checkpoint-store.js';
import { writeSafetensors } from '../formats/safetensors.js';
import { CHECKPOINT_FORMAT, hashOf, SCALAR_PREFIX } from './read.js';

/**
 * Writes a checkpoint folder: beside its final name, flushed to disk, then renamed. When it fails nothing is left.
 * The tensors are copied before the first write, so that training may go on meanwhile.
 */
export async function writeCheckpoint(folder: string, snapshot: Snapshot): Promise<void> {
  const weights = stored(snapshot.weights);
  const optimizer = stored(snapshot.optimizer.tensors);
  for (const [name, value] of Object.entries(snapshot.optimizer.scalars)) {
    optimizer.set(SCALAR_PREFIX + name, { shape: [1], values: Int32Array.of(value) });
  }
  const beside = `${folder}.writing`;
  await rm(beside, { recursive: true, force: true });
  try {
    await mkdir(beside, { recursive: true });
    await writeSafetensors(path.join(beside, 'model.safetensors'), weights, { format: 'pt' });
    await writeSafetensors(path.join(beside, 'optimizer.safetensors'), optimizer);
    await writeJson(path.join(beside, 'config.json'), snapshot.model);
    await writeJson(path.join(beside, 'state.json'), snapshot.state);
    await writeJson(path.join(beside, 'manifest.json'), await manifestOf(beside));
    await flush(beside);
    await rename(beside, folder);
    await flush(path.dirname(folder));
  } catch (thrown) {
    await rm(beside, { recursive: true, force: true });
    throw thrown;
  }
}

function stored(tensors: ReadonlyMap<string, Tensor>): Map<string, StoredTensor> {
  return new Map(
    [...tensors].map(([name, tensor]) => [
      name,
      { shape: [...tensor.shape], values: Float32Array.from(tensor.dataSync()) },
    ]),
  );
}

async function manifestOf(folder: string): Promise<object> {
  const files: Record<string, { bytes: number; sha256: string }> = {};
  for (const name of ['model.safetensors', 'config.json', 'optimizer.safetensors', 'state.json']) {
    const content = await readFile(path.join(folder, name));
    files[name] = { bytes: content.length, sha256: hashOf(content) };
  }
  return { format: CHECKPOINT_FORMAT, files };
}

async function writeJson(file: string, value: unknown): Promise<void> {
  await writeFile(file, JSON.stringify(value, null, 2), { flush: true });
}

async function flush(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
