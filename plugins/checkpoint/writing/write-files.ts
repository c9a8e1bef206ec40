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

/**
 * Writes a checkpoint beside its final name, flushes it, reads it back, and renames it. One that has the name is set
 * aside first and deleted last: a process killed anywhere in between leaves a whole one.
 * The manifest tells what should be on disk: its hashes are of what was in memory. When it fails nothing is left.
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

/** Gives a folder the name of another, which is deleted when the new one is in its place, and on disk. */
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
  // What cannot be deleted now is cleaned up when the next run starts here.
  await rm(old, { recursive: true, force: true }).catch(() => undefined);
}

async function writeText(file: string, text: string): Promise<FileFacts> {
  const bytes = Buffer.from(text, 'utf8');
  await writeFile(file, bytes, { flush: true });
  return { bytes: bytes.length, sha256: hashOf(bytes) };
}
