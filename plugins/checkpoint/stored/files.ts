import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { isMainThread, Worker } from 'node:worker_threads';
import { UsageError, messageOf } from '../../../core/errors.js';

// Do not import zod here: each checkpoint is written in a new thread, and importing zod takes longer than most writes.

/** Version of the checkpoint format that this package writes, and the newest that it reads. */
export const CHECKPOINT_FORMAT = 2;

/** File with the optimizer's tensors. */
export const OPTIMIZER_TENSORS = 'optimizer.safetensors';

/** File with the plugins' tensors; missing if there are none. */
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

/** Folder suffixes: being written, set aside while its successor is renamed into place, and being deleted. */
export const WRITING = '.writing';
export const REPLACED = '.replaced';
export const DELETING = '.deleting';

/** File size in bytes from which a hashing thread pays off. */
const WORTH_A_THREAD = 1 << 24;

/** A file's entry in the manifest. */
export interface FileFacts {
  bytes: number;
  sha256: string;
}

/**
 * Compares a checkpoint's files with the manifest: first all sizes, then the contents, large ones in threads.
 * @param isRead returns false for files of which only the size is compared
 * @throws UsageError naming the first file that differs
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

/** Returns the SHA-256 in hexadecimal. */
export function hashOf(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

/** Returns a file's size in bytes. */
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

/** Reads in pieces: the file may be larger than memory. */
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
