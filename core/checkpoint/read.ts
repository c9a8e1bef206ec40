import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import type { CheckpointState, LoadedCheckpoint, StoredTensor } from '../contracts/checkpoint-store.js';
import { messageOf, UsageError } from '../errors.js';
import { readSafetensors } from '../formats/safetensors.js';

/** Version of the checkpoint format that this package writes, and the newest it reads. */
export const CHECKPOINT_FORMAT = 1;

const manifestSchema = z.object({
  format: z.int(),
  files: z.record(z.string().regex(/^[\w.-]+$/), z.object({ bytes: z.int().min(0), sha256: z.string() })),
});

const stateSchema = z.object({
  format: z.int(),
  espalier: z.string(),
  run: z.object({ iteration: z.int().min(0), tokens: z.int().min(0), bestValLoss: z.number().nullable() }),
  random: z.record(z.string(), z.int().min(0)),
  seed: z.int(),
  plugins: z.record(z.string(), z.unknown()),
  tokenizer: z.looseObject({ tokenizer: z.string() }).nullable(),
  config: z.record(z.string(), z.unknown()),
});

/** `optimizer.safetensors` keeps plain numbers as tensors of one element under this prefix. */
export const SCALAR_PREFIX = 'scalar.';

/**
 * Reads a checkpoint folder whose manifest matches.
 * @throws UsageError naming the file that is missing, damaged or newer than this package
 */
export async function readCheckpoint(folder: string): Promise<LoadedCheckpoint> {
  await verifyCheckpoint(folder);
  const state: CheckpointState = stateSchema.parse(await readJson(path.join(folder, 'state.json')));
  const model = z.record(z.string(), z.unknown()).parse(await readJson(path.join(folder, 'config.json')));
  const stored = await readSafetensors(path.join(folder, 'optimizer.safetensors'));
  const tensors = new Map<string, StoredTensor>();
  const scalars: Record<string, number> = {};
  for (const [name, tensor] of stored) {
    if (name.startsWith(SCALAR_PREFIX)) scalars[name.slice(SCALAR_PREFIX.length)] = tensor.values[0] ?? 0;
    else tensors.set(name, tensor);
  }
  const weights = await readSafetensors(path.join(folder, 'model.safetensors'));
  return { path: folder, weights, optimizer: { tensors, scalars }, model, state };
}

/** Compares every file with the manifest. @throws UsageError naming the first that differs */
export async function verifyCheckpoint(folder: string): Promise<void> {
  const parsed = manifestSchema.safeParse(await readJson(path.join(folder, 'manifest.json')));
  if (!parsed.success) throw damaged(folder, 'manifest.json is not a manifest');
  if (parsed.data.format > CHECKPOINT_FORMAT) {
    throw new UsageError(
      'ESP_CHECKPOINT_NEWER',
      `checkpoint ${folder} has format ${String(parsed.data.format)}, newer than ${String(CHECKPOINT_FORMAT)}: use a newer espalier`,
    );
  }
  for (const required of ['model.safetensors', 'config.json', 'optimizer.safetensors', 'state.json']) {
    if (!(required in parsed.data.files)) throw damaged(folder, `its manifest does not list ${required}`);
  }
  for (const [name, { bytes, sha256 }] of Object.entries(parsed.data.files)) {
    const content = await readWhole(path.join(folder, name));
    if (content.length !== bytes)
      throw damaged(folder, `${name} has ${String(content.length)} bytes instead of ${String(bytes)}`);
    if (hashOf(content) !== sha256) throw damaged(folder, `${name} is not what was written (its SHA-256 differs)`);
  }
}

/** SHA-256, hexadecimal. */
export function hashOf(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

async function readJson(file: string): Promise<unknown> {
  const text = (await readWhole(file)).toString('utf8');
  try {
    return JSON.parse(text);
  } catch (thrown) {
    throw damaged(path.dirname(file), `${path.basename(file)} is not JSON: ${messageOf(thrown)}`);
  }
}

async function readWhole(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (thrown) {
    throw damaged(path.dirname(file), `${path.basename(file)} cannot be read: ${messageOf(thrown)}`);
  }
}

function damaged(folder: string, what: string): UsageError {
  return new UsageError('ESP_CHECKPOINT_DAMAGED', `checkpoint ${folder} is damaged: ${what}; use another one`);
}
