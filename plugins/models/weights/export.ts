import { existsSync, readdirSync, statSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type LoadedCheckpoint, type StoredTensor, UsageError } from '../../../core/index.js';
import { makeFolder, removeOnExit, retried } from '../../files/contract.js';
import { writeSafetensors } from '../../checkpoint/contract.js';
import { withoutLora } from './lora.js';
import { isProjection, transposed } from './gpt2.js';

const EXPORTED = ['config.json', 'model.safetensors'];
export type ExportFormat = 'hf' | 'nanogpt-safetensors';

/** A model with LoRA's terms merged in. */
type Plain = Pick<LoadedCheckpoint, 'weights' | 'model'>;

/** A model's files, weights and description, as another program reads them. */
interface Exported {
  readonly weights: ReadonlyMap<string, StoredTensor>;
  readonly config: Record<string, unknown>;
}

/**
 * Writes the model of a checkpoint into a new folder, for other programs; it is no resume point.
 * `hf`: Hugging Face transformers' GPT-2. `nanogpt-safetensors`: nanoGPT's names and layout, with its `model_args`.
 * @throws UsageError when the model is no GPT-2
 */
export async function exportCheckpoint(checkpoint: LoadedCheckpoint, to: ExportFormat, folder: string): Promise<void> {
  if (checkpoint.model['model_type'] !== 'gpt2')
    throw new UsageError('ESP_CHECKPOINT_EXPORT', `${checkpoint.path} is no GPT-2, which is all that can be exported`);
  const { lora_alpha: alpha = 1, ...model } = checkpoint.model;
  const plain = { model, weights: withoutLora(checkpoint.weights, Number(alpha)) };
  const { weights, config } = to === 'hf' ? huggingFace(plain) : nanoGpt(plain);
  const beside = `${folder}.writing`;
  await rm(beside, { recursive: true, force: true });
  const keep = removeOnExit(beside);
  try {
    makeFolder(beside);
    await writeSafetensors(path.join(beside, 'model.safetensors'), weights, { format: 'pt' });
    await writeFile(path.join(beside, 'config.json'), JSON.stringify(config, null, 2));
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

/** The first entry of a folder that is not of an exported model; the folder's own name where it is a file. */
export function otherThanExport(folder: string): string | undefined {
  if (!statSync(folder).isDirectory()) return path.basename(folder);
  return readdirSync(folder).find((name) => !EXPORTED.includes(name));
}

/** transformers' GPT-2 always has biases: those that the model lacks are zeros. */
function huggingFace({ weights, model }: Plain): Exported {
  const all = new Map<string, StoredTensor>();
  for (const [name, tensor] of weights) {
    all.set(name, tensor);
    const bias = name.replace(/\.weight$/, '.bias');
    if (!(isProjection(name) || /\.ln_\w+\.weight$/.test(name)) || weights.has(bias)) continue;
    const size = tensor.shape.at(-1) ?? 0;
    all.set(bias, { shape: [size], values: new Float32Array(size) });
  }
  return { weights: all, config: { ...model, bias: true, dtype: 'float32' } };
}

function nanoGpt({ weights, model }: Plain): Exported {
  const turned = [...weights].map(([name, tensor]): [string, StoredTensor] => [
    name,
    isProjection(name) ? transposed(tensor) : tensor,
  ]);
  const { n_layer, n_head, n_embd, n_positions, vocab_size, bias, resid_pdrop } = model;
  const config = { n_layer, n_head, n_embd, block_size: n_positions, bias, vocab_size, dropout: resid_pdrop };
  return { weights: new Map(turned), config: { model_args: config } };
}
