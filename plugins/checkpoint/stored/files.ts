import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { UsageError, messageOf } from '../../../core/errors.js';

// Without zod, which takes longer to import than most checkpoints take to write: each is written in a thread of its own.

/** Version of the checkpoint format that this package writes, and the newest it reads. */
export const CHECKPOINT_FORMAT = 2;

/** File with the tensors that plugins keep, where any does. */
export const PLUGIN_TENSORS = 'plugins.safetensors';

/** Every file of a checkpoint. */
export const CHECKPOINT_FILES: readonly string[] = [
  'manifest.json',
  'state.json',
  'config.json',
  'model.safetensors',
  'optimizer.safetensors',
  PLUGIN_TENSORS,
];

/** Suffixes of a checkpoint that is being written, set aside while its successor is renamed into place, and deleted. */
export const WRITING = '.writing';
export const REPLACED = '.replaced';
export const DELETING = '.deleting';

/** What the manifest says of a file. */
export interface FileFacts {
  bytes: number;
  sha256: string;
}

/** Compares files of a checkpoint with what they should be. @throws UsageError naming the first that differs */
export async function compareFiles(folder: string, files: Readonly<Record<string, FileFacts>>): Promise<void> {
  for (const [name, { bytes, sha256 }] of Object.entries(files)) {
    const size = await sizeOf(path.join(folder, name));
    if (size !== bytes) throw damaged(folder, `${name} has ${String(size)} bytes instead of ${String(bytes)}`);
    if ((await hashFile(path.join(folder, name))) !== sha256)
      throw damaged(folder, `${name} is not what was written (its SHA-256 differs)`);
  }
}

/** SHA-256, hexadecimal. */
export function hashOf(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

/** Bytes of a plain file. */
export async function sizeOf(file: string): Promise<number> {
  const fail = (what: string): UsageError => damaged(path.dirname(file), `${path.basename(file)} ${what}`);
  let found;
  try {
    found = await stat(file);
  } catch (thrown) {
    throw fail(`cannot be read: ${messageOf(thrown)}`);
  }
  if (!found.isFile()) throw fail('is not a file');
  return found.size;
}

/** Piece by piece: files are larger than memory should be. */
async function hashFile(file: string): Promise<string> {
  const hash = createHash('sha256');
  try {
    for await (const piece of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(piece as Buffer);
  } catch (thrown) {
    throw damaged(path.dirname(file), `${path.basename(file)} cannot be read: ${messageOf(thrown)}`);
  }
  return hash.digest('hex');
}

export function damaged(folder: string, what: string): UsageError {
  return new UsageError('ESP_CHECKPOINT_DAMAGED', `checkpoint ${folder} is damaged: ${what}; use another one`);
}
