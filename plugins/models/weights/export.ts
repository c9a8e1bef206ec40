import { existsSync, readdirSync, statSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { isUsageError, messageOf, UsageError, type LoadedCheckpoint } from '../../../core/index.js';
import { findQuietly, isSection } from '../../../core/runs.js';
import { makeFolder, removeOnExit, retried } from '../../files/contract.js';
import { storedConfig, WEIGHTS_FILE, writeSafetensors } from '../../checkpoint/contract.js';
import { ADAPTER_CONFIG } from '../adapters/config.js';
import { ADAPTER_WEIGHTS } from '../adapters/read.js';
import { nanoGptModel } from '../gpt/nanogpt.js';
import type { Described, PlainModel, WeightFormat, WrittenModel } from './formats.js';
import { formatsOf, knownFormats } from './known.js';
import { withoutLora } from './lora.js';
import { TOKENIZER_FILES } from './tokenizer-files.js';

/** Names of an export's files. */
interface ExportFiles {
  readonly config: string;
  readonly weights: string;
}
const MODEL_FILES: ExportFiles = { config: 'config.json', weights: WEIGHTS_FILE };
export const ADAPTER_FILES: ExportFiles = { config: ADAPTER_CONFIG, weights: ADAPTER_WEIGHTS };
const EXPORTED = [
  ...[MODEL_FILES, ADAPTER_FILES].flatMap(({ config, weights }) => [config, weights]),
  ...TOKENIZER_FILES,
];

export type ExportFormat = 'hf' | 'gguf' | 'nanogpt-safetensors';

/**
 * Converts a checkpoint's model for other programs, with LoRA merged in.
 * `hf` and `gguf`: to the weight format of its plugin, from which GGUF is made. `nanogpt-safetensors`: to nanoGPT's
 * names and layout, with its `model_args`.
 * @param cwd folder from which packages and plugin paths are found
 * @throws UsageError if the model has no such format, or does not fit it
 */
export async function writtenModel(checkpoint: LoadedCheckpoint, to: ExportFormat, cwd: string): Promise<WrittenModel> {
  const { use, ...options } = storedModel(checkpoint, cwd);
  const { lora_alpha: alpha = 1, ...description } = checkpoint.model;
  const plain: PlainModel = { description, options, weights: withoutLora(checkpoint.weights, Number(alpha)) };
  try {
    return to === 'nanogpt-safetensors' ? nanoGptModel(plain) : await inFormatOf(String(use), plain, cwd);
  } catch (thrown) {
    if (isUsageError(thrown)) throw thrown;
    const message = `${checkpoint.path} cannot be exported as ${to}: ${messageOf(thrown)}`;
    throw new UsageError('ESP_CHECKPOINT_EXPORT', message, { cause: thrown });
  }
}

/**
 * Writes a model into a new folder, for other programs; a run cannot resume from it.
 * @param texts further files: their contents by name
 */
export async function writeModel(
  { config, weights }: Pick<WrittenModel, 'config' | 'weights'>,
  folder: string,
  files: ExportFiles = MODEL_FILES,
  texts: ReadonlyMap<string, string> = new Map(),
): Promise<void> {
  const beside = `${folder}.writing`;
  await rm(beside, { recursive: true, force: true });
  const keep = removeOnExit(beside);
  try {
    makeFolder(beside);
    await writeSafetensors(path.join(beside, files.weights), weights, { format: 'pt' });
    await writeFile(path.join(beside, files.config), JSON.stringify(config, null, 2));
    for (const [name, text] of texts) await writeFile(path.join(beside, name), text);
    const old = `${folder}.replaced-${String(process.pid)}`;
    if (existsSync(folder)) await retried(() => rename(folder, old));
    await retried(() => rename(beside, folder));
    await rm(old, { recursive: true, force: true });
  } catch (thrown) {
    await rm(beside, { recursive: true, force: true });
    throw thrown;
  } finally {
    keep();
  }
}

/** Returns the first entry of a folder that does not belong to an exported model; the path itself if it is a file. */
export function otherThanExport(folder: string): string | undefined {
  if (!statSync(folder).isDirectory()) return path.basename(folder);
  return readdirSync(folder).find((name) => !EXPORTED.includes(name));
}

/** Returns the model's options in a checkpoint's config, including `use`. */
export function storedModel(checkpoint: LoadedCheckpoint, cwd: string): Described {
  const { model } = storedConfig(checkpoint, cwd);
  return isSection(model) ? model : {};
}

async function inFormatOf(use: string, model: PlainModel, cwd: string): Promise<WrittenModel> {
  for (const format of await formatsFor(use, cwd)) {
    if (format.write !== undefined) return format.write(model);
  }
  throw new Error(
    `its model plugin ${use} has no weight format that can be written; give it one (docs/plugins/weight-formats.md)`,
  );
}

/** Returns the formats of a model plugin. */
export async function formatsFor(use: string, cwd: string): Promise<readonly WeightFormat[]> {
  const known = (await knownFormats(cwd)).filter((format) => format.use === use);
  if (known.length > 0) return known;
  const plugin = await findQuietly(use, cwd, 'model');
  return plugin === undefined ? [] : formatsOf(plugin);
}
