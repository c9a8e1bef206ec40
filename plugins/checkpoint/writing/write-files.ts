import { existsSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { StoredTensor } from '../../../core/index.js';
import { flushFolder, makeFolder, retried } from '../../files/contract.js';
import { writeSafetensors } from '../safetensors/write.js';
import {
  CHECKPOINT_FORMAT,
  compareFiles,
  hashOf,
  PLUGIN_TENSORS,
  REPLACED,
  WRITING,
  type FileFacts,
} from '../stored/files.js';

/** A tensor with a buffer of its own, which can be transferred to another thread. */
export type OwnTensor = StoredTensor & { values: { buffer: ArrayBuffer } };

/** The content of a checkpoint's files. */
export interface CheckpointContent {
  weights: ReadonlyMap<string, OwnTensor>;
  optimizer: ReadonlyMap<string, OwnTensor>;
  /** The plugins' tensors; no file is written if there are none. */
  plugins: ReadonlyMap<string, OwnTensor>;
  /** JSON: Hugging Face's `config.json`. */
  model: string;
  /** JSON: `state.json`. */
  state: string;
}

/** What the writing thread is started with, and what it answers. */
export interface WriteTask {
  folder: string;
  content: CheckpointContent;
}
export interface WriteAnswer {
  error?: string;
}

/**
 * Writes a checkpoint under a temporary name, flushes it, reads it back and renames it. An existing checkpoint of that
 * name is set aside first and deleted last, so a process killed at any point leaves a whole one. The manifest's hashes
 * are those of the data in memory, so reading back detects a bad write. Leaves nothing behind if it fails.
 */
export async function writeFiles({ folder, content }: WriteTask): Promise<void> {
  const beside = `${folder}${WRITING}`;
  await rm(beside, { recursive: true, force: true });
  try {
    makeFolder(beside);
    const written = {
      'model.safetensors': await writeSafetensors(path.join(beside, 'model.safetensors'), content.weights, {
        format: 'pt',
      }),
      'config.json': await writeText(path.join(beside, 'config.json'), content.model),
      'optimizer.safetensors': await writeSafetensors(path.join(beside, 'optimizer.safetensors'), content.optimizer),
      ...(content.plugins.size > 0
        ? { [PLUGIN_TENSORS]: await writeSafetensors(path.join(beside, PLUGIN_TENSORS), content.plugins) }
        : {}),
      'state.json': await writeText(path.join(beside, 'state.json'), content.state),
    };
    const manifest = JSON.stringify({ format: CHECKPOINT_FORMAT, files: written }, null, 2);
    const listed = { 'manifest.json': await writeText(path.join(beside, 'manifest.json'), manifest) };
    await compareFiles(beside, { ...written, ...listed });
    await flushFolder(beside);
    await replace(folder, beside);
  } catch (thrown) {
    await rm(beside, { recursive: true, force: true });
    throw thrown;
  }
}

/** Renames folder `by` to `folder`. An existing `folder` is deleted once the new one is in place and on disk. */
async function replace(folder: string, by: string): Promise<void> {
  const old = `${folder}${REPLACED}`;
  if (existsSync(folder)) {
    await rm(old, { recursive: true, force: true });
    await retried(() => rename(folder, old));
  }
  try {
    await retried(() => rename(by, folder));
  } catch (thrown) {
    if (existsSync(old)) await retried(() => rename(old, folder));
    throw thrown;
  }
  await flushFolder(path.dirname(folder));
  // If it cannot be deleted now, the next run in this folder does it.
  await rm(old, { recursive: true, force: true }).catch(() => undefined);
}

async function writeText(file: string, text: string): Promise<FileFacts> {
  const bytes = Buffer.from(text, 'utf8');
  await writeFile(file, bytes, { flush: true });
  return { bytes: bytes.length, sha256: hashOf(bytes) };
}
