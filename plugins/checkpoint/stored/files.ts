import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { isMainThread, Worker } from 'node:worker_threads';
import { UsageError, messageOf } from '../../../core/errors.js';

// Without zod, which takes longer to import than most checkpoints take to write: each is written in a thread of its own.

/** Version of the checkpoint format that this package writes, and the newest it reads. */
export const CHECKPOINT_FORMAT = 2;

/** File with the optimizer's tensors. */
export const OPTIMIZER_TENSORS = 'optimizer.safetensors';

/** File with the tensors that plugins keep, where any does. */
export const PLUGIN_TENSORS = 'plugins.safetensors';

/** Every file of a checkpoint. */
export const CHECKPOINT_FILES: readonly string[] = [
  'manifest.json',
  'state.json',
  'config.json',
  'model.safetensors',
  OPTIMIZER_TENSORS,
  PLUGIN_TENSORS,
];

/** Suffixes of a checkpoint that is being written, set aside while its successor is renamed into place, and deleted. */
export const WRITING = '.writing';
export const REPLACED = '.replaced';
export const DELETING = '.deleting';

/** Bytes of a file for which starting a thread pays. */
const WORTH_A_THREAD = 1 << 24;

/** What the manifest says of a file. */
export interface FileFacts {
  bytes: number;
  sha256: string;
}

/**
 * Compares files of a checkpoint with what they should be: the size of each, then the contents, large ones in threads.
 * @param isRead leaves out the contents of files that it returns false for
 * @throws UsageError naming the first that differs
 */
export async function compareFiles(
  folder: string,
  files: Readonly<Record<string, FileFacts>>,
  isRead: (name: string) => boolean = () => true,
): Promise<void> {
  for (const [name, { bytes }] of Object.entries(files)) {
    const size = await sizeOf(path.join(folder, name));
    if (size !== bytes) throw damaged(folder, `${name} has ${String(size)} bytes instead of ${String(bytes)}`);
  }
  const read = Object.entries(files).filter(([name]) => isRead(name));
  const hashes = await Promise.all(read.map(([name, { bytes }]) => hashFile(path.join(folder, name), bytes)));
  const wrong = read.find(([, { sha256 }], index) => hashes[index] !== sha256);
  if (wrong !== undefined) throw damaged(folder, `${wrong[0]} has changed since it was written (its SHA-256 differs)`);
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

async function hashFile(file: string, bytes: number): Promise<string> {
  try {
    return await (isMainThread && bytes >= WORTH_A_THREAD ? hashInThread(file) : hashHere(file));
  } catch (thrown) {
    throw damaged(path.dirname(file), `${path.basename(file)} cannot be read: ${messageOf(thrown)}`);
  }
}

/** Piece by piece: files are larger than memory should be. */
async function hashHere(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(piece as Buffer);
  return hash.digest('hex');
}

async function hashInThread(file: string): Promise<string> {
  const worker = new Worker(new URL('./hash-worker.js', import.meta.url), { workerData: file });
  try {
    const [hash] = (await once(worker, 'message')) as [string];
    return hash;
  } finally {
    await worker.terminate();
  }
}

export function damaged(folder: string, what: string): UsageError {
  return new UsageError('ESP_CHECKPOINT_DAMAGED', `checkpoint ${folder} is damaged: ${what}; use another one`);
}
