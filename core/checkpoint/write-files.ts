import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { StoredTensor } from '../contracts/checkpoint-store.js';
import { flushFolder } from '../files/flush-folder.js';
import { writeSafetensors } from '../formats/safetensors-write.js';
import { CHECKPOINT_FORMAT, compareFiles, hashOf, PLUGIN_TENSORS, type FileFacts } from './files.js';

/** A tensor in memory of its own, which can be handed to another thread. */
export type OwnTensor = StoredTensor & { values: { buffer: ArrayBuffer } };

/** What the files of a checkpoint are made from. */
export interface CheckpointContent {
  weights: ReadonlyMap<string, OwnTensor>;
  optimizer: ReadonlyMap<string, OwnTensor>;
  /** What plugins keep; none, no file. */
  plugins: ReadonlyMap<string, OwnTensor>;
  /** JSON: Hugging Face's `config.json`. */
  model: string;
  /** JSON: `state.json`. */
  state: string;
}

/** What the writing thread is told, and answers. */
export interface WriteTask {
  folder: string;
  content: CheckpointContent;
}
export interface WriteAnswer {
  error?: string;
}

/** Suffix of a checkpoint that is being written: never read, and taken away when the next one is written. */
export const WRITING = '.writing';

/**
 * Writes a checkpoint beside its final name, flushes it, reads it back, and renames it.
 * The manifest tells what should be on disk: its hashes are of what was in memory. When it fails nothing is left.
 */
export async function writeFiles({ folder, content }: WriteTask): Promise<void> {
  const beside = `${folder}${WRITING}`;
  await rm(beside, { recursive: true, force: true });
  try {
    await mkdir(beside, { recursive: true });
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
    await rm(folder, { recursive: true, force: true });
    await rename(beside, folder);
    await flushFolder(path.dirname(folder));
  } catch (thrown) {
    await rm(beside, { recursive: true, force: true });
    throw thrown;
  }
}

async function writeText(file: string, text: string): Promise<FileFacts> {
  const bytes = Buffer.from(text, 'utf8');
  await writeFile(file, bytes, { flush: true });
  return { bytes: bytes.length, sha256: hashOf(bytes) };
}
