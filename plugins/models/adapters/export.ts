import { UsageError, type LoadedCheckpoint, type StoredTensor } from '../../../core/index.js';
import { transposed } from '../weights/layout.js';
import type { AdapterLayout, AdapterModule } from './layout.js';
import { mostFrequent } from './terms.js';

/** A LoRA adapter for peft: `adapter_config.json`, and the tensors of `adapter_model.safetensors`. */
export interface ExportedAdapter {
  readonly config: Readonly<Record<string, unknown>>;
  readonly weights: ReadonlyMap<string, StoredTensor>;
}

/**
 * Returns a model's LoRA as an adapter, without the name of its base model.
 * @throws UsageError if the model has no LoRA
 */
export function adapterOf(
  { path, weights, model }: Pick<LoadedCheckpoint, 'path' | 'weights' | 'model'>,
  layout: AdapterLayout,
): ExportedAdapter {
  const tensors = new Map<string, StoredTensor>();
  const ranks = new Map<string, number>();
  for (const [name, a] of weights) {
    const [, layer] = /^(.+)\.lora_A$/.exec(name) ?? [];
    const b = weights.get(`${layer ?? ''}.lora_B`);
    if (layer === undefined || b === undefined) continue;
    let column = 0;
    for (const module of layout.modulesOf(layer, model)) {
      for (const [tensor, values] of tensorsOf(module, a, columnsOf(b, column, module))) tensors.set(tensor, values);
      if (module.kind !== 'head') column += module.outputs;
      ranks.set(module.name, a.shape[1] ?? 0);
    }
  }
  if (ranks.size === 0) {
    throw new UsageError(
      'ESP_CHECKPOINT_EXPORT',
      `${path} has no LoRA, and an adapter holds nothing else; train with ${layout.rankOptions.join(' or ')}, or export the whole model with --to hf`,
    );
  }
  return { config: configOf(ranks, Number(model['lora_alpha']), layout), weights: tensors };
}

/** Converts a [in, rank] and b [rank, out] to peft's tensors, which are [out, in] like PyTorch's linear layers. */
function tensorsOf({ name, kind }: AdapterModule, a: StoredTensor, b: StoredTensor): [string, StoredTensor][] {
  const at = `base_model.model.${name}`;
  if (kind === 'embedding') {
    return [
      [`${at}.lora_embedding_A`, transposed(a)],
      [`${at}.lora_embedding_B`, transposed(b)],
    ];
  }
  // The head's matrix is the transposed embedding, so its A and B swap roles.
  return [
    [`${at}.lora_A.weight`, kind === 'head' ? b : transposed(a)],
    [`${at}.lora_B.weight`, kind === 'head' ? a : transposed(b)],
  ];
}

/** Returns a module's columns in its layer's B; all columns for an embedding and its head. */
function columnsOf(
  { shape: [rank = 0, width = 0], values }: StoredTensor,
  first: number,
  module: AdapterModule,
): StoredTensor {
  if (module.kind !== 'linear' || module.outputs === width) return { shape: [rank, width], values };
  const own = new Float32Array(rank * module.outputs);
  for (let i = 0; i < rank; i++) {
    own.set(values.subarray(i * width + first, i * width + first + module.outputs), i * module.outputs);
  }
  return { shape: [rank, module.outputs], values: own };
}

function configOf(
  ranks: ReadonlyMap<string, number>,
  alpha: number,
  { fanInFanOut }: AdapterLayout,
): Record<string, unknown> {
  const r = mostFrequent([...ranks.values()]);
  return {
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    base_model_name_or_path: null,
    inference_mode: true,
    r,
    lora_alpha: alpha,
    lora_dropout: 0,
    // Full names, because some blocks may have LoRA and others not.
    target_modules: [...ranks.keys()],
    rank_pattern: Object.fromEntries([...ranks].filter(([, rank]) => rank !== r)),
    alpha_pattern: {},
    use_rslora: false,
    use_dora: false,
    bias: 'none',
    fan_in_fan_out: fanInFanOut,
    init_lora_weights: true,
    modules_to_save: null,
  };
}
