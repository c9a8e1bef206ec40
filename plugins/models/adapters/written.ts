import { existsSync } from 'node:fs';
import path from 'node:path';
import { UsageError, type LoadedCheckpoint, type StoredTensor } from '../../../core/index.js';
import { resolveFrom } from '../../../core/paths.js';
import { formatsFor, storedModel } from '../weights/export.js';
import { findFolder, type FoundFolder } from '../weights/find.js';
import type { WeightFormat, WrittenModel } from '../weights/formats.js';
import { sameTensor } from '../weights/layout.js';
import { isLora } from '../weights/lora.js';
import { readWeights } from '../weights/read.js';
import { adapterOf } from './export.js';
import { findAdapter } from './find.js';

/**
 * Returns the LoRA of a checkpoint as an adapter for the model that its run started from.
 * @param request.base path or name of that model, if not the one that the run's `init` names
 * @throws UsageError if the model has no LoRA, or if other weights than LoRA's differ from the base
 */
export async function writtenAdapter(
  checkpoint: LoadedCheckpoint,
  { base, cwd }: { readonly base: string | undefined; readonly cwd: string },
): Promise<WrittenModel> {
  const { use, block_size: blockSize } = storedModel(checkpoint, cwd);
  const formats = await formatsFor(String(use), cwd);
  const lora = formats.find((format) => format.lora !== undefined)?.lora;
  if (lora === undefined) {
    throw refusal(
      `${checkpoint.path} has the model plugin ${String(use)}, whose weight formats do not support adapters`,
      'export the whole model with --to hf',
    );
  }
  // First, because a model without LoRA needs no base.
  const { config, weights } = adapterOf(checkpoint, lora);
  const found = await baseOf(checkpoint, base, cwd);
  const own = await baseWeights(found, formats, Number(blockSize));
  refuseTrained(checkpoint, found.name, own);
  return { config: { ...config, base_model_name_or_path: found.name }, weights, notes: [] };
}

interface FoundBase extends Pick<FoundFolder, 'config' | 'folder'> {
  /** An absolute path, or a name on the Hub. */
  readonly name: string;
}

/** @throws UsageError if the base is unknown or not on this machine */
async function baseOf(checkpoint: LoadedCheckpoint, given: string | undefined, cwd: string): Promise<FoundBase> {
  const { init } = checkpoint.state.config;
  const started = checkpoint.state.cwd;
  const runFolder = path.dirname(path.dirname(checkpoint.path));
  const named = given ?? (typeof init === 'string' ? init : 'scratch');
  const from = given === undefined && started !== undefined ? path.resolve(runFolder, started) : cwd;
  if (named !== 'scratch' && named !== 'resume') {
    const adapter = await findAdapter(named, { cwd: from });
    const name = adapter?.baseName ?? named;
    const found = adapter?.base ?? (await findFolder(named, { cwd: from }));
    const local = resolveFrom(from, name);
    if (found !== undefined) {
      return { config: found.config, folder: () => found.folder(), name: existsSync(local) ? local : name };
    }
  }
  const why = given === undefined ? `its run started from init: ${named}` : `${given} is not a model folder`;
  throw refusal(
    `the base model for the LoRA of ${checkpoint.path} is unknown: ${why}`,
    'name it with --base: a folder in the format of transformers (checkpoint export --to hf writes one)',
  );
}

async function baseWeights(
  { config, folder, name }: FoundBase,
  formats: readonly WeightFormat[],
  blockSize: number,
): Promise<ReadonlyMap<string, StoredTensor>> {
  const format = formats.find((each) => each.recognizes(config));
  if (format === undefined)
    throw refusal(`${name} is a model of another kind`, 'give the one that the run started from');
  const { weights } = await readWeights(await folder(), { names: format.names, model: format.read(config), blockSize });
  return weights;
}

/** Without the trained base weights, the adapter would give another model. */
function refuseTrained(checkpoint: LoadedCheckpoint, name: string, base: ReadonlyMap<string, StoredTensor>): void {
  const others = [...checkpoint.weights].filter(([weight, tensor]) => {
    const own = base.get(weight);
    return !isLora(weight) && (own === undefined || !sameTensor(own, tensor));
  });
  const [first] = others;
  if (first === undefined) return;
  const more = others.length > 1 ? ` and ${String(others.length - 1)} more differ` : ' differs';
  throw refusal(
    `${first[0]}${more} from those of ${name}: they were trained too, but an adapter holds only LoRA`,
    'train with model.trained: lora, or export the whole model with --to hf',
  );
}

function refusal(what: string, todo: string): UsageError {
  return new UsageError('ESP_CHECKPOINT_EXPORT', `${what}; ${todo}`);
}
