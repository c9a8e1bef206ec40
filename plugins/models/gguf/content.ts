import { z } from 'zod';
import type { TokenizerJson } from '../../tokenizers/contract.js';
import { sizeOf, type GgufContent, type GgufDtype, type GgufValue } from './container.js';
import { gpt2 } from './gpt2.js';
import { HALF_OVERFLOW } from './half.js';
import { isLlama, llama } from './llama.js';
import { cannotRun, dtypeOf, EXPORT_HF, string, uint32, type Architecture, type HuggingFaceModel } from './model.js';
import { tokenizerMetadata } from './vocabulary.js';

/** Sources: `LlamaFileType` and `GGML_QUANT_VERSION` of gguf-py, `constants.py`. */
const FILE_TYPES = { f32: 0, f16: 1 } as const;
const QUANTIZATION_VERSION = 2;

export interface GgufOptions {
  /** The model's name in llama.cpp. */
  readonly name: string;
  /** Type of matrices except positions; everything else is float32. */
  readonly dtype: GgufDtype;
  readonly tokenizer: TokenizerJson;
  /** Jinja template that formats conversations as text. */
  readonly chatTemplate?: string | undefined;
}

const configSchema = z.looseObject({ model_type: z.string(), vocab_size: z.int() });

/**
 * Returns a model as llama.cpp's `convert_hf_to_gguf.py` writes it, with the same metadata and tensors.
 * @throws UsageError for a model or tokenizer that llama.cpp does not support
 */
export function ggufContent(
  model: HuggingFaceModel,
  { name, dtype, tokenizer, chatTemplate }: GgufOptions,
): GgufContent {
  const { model_type, vocab_size } = configSchema.parse(model.config);
  const architecture = architectureOf(model_type, model);
  const metadata = new Map<string, GgufValue>([
    ['general.architecture', string(architecture.name)],
    ['general.type', string('model')],
    ['general.name', string(name)],
    ['general.size_label', string(sizeLabel(architecture))],
  ]);
  for (const [key, value] of architecture.settings) metadata.set(`${architecture.name}.${key}`, value);
  metadata.set('general.file_type', uint32(FILE_TYPES[dtype]));
  metadata.set('general.quantization_version', uint32(QUANTIZATION_VERSION));
  for (const [key, value] of tokenizerMetadata(tokenizer, vocab_size, model.config))
    metadata.set(`tokenizer.ggml.${key}`, value);
  if (chatTemplate !== undefined) metadata.set('tokenizer.chat_template', string(chatTemplate));
  return {
    metadata,
    tensors: architecture.tensors.map((tensor) => {
      const own = dtypeOf(tensor, dtype);
      return own === 'f32' ? { ...tensor, dtype: own } : { ...tensor, dtype: own, values: () => fitting(tensor) };
    }),
  };
}

function architectureOf(modelType: string, model: HuggingFaceModel): Architecture {
  if (modelType === 'gpt2') return gpt2(model);
  if (isLlama(modelType)) return llama(model);
  throw cannotRun(
    `export supports GPT-2, Llama, Mistral, Qwen 2 and Qwen 3, but this model’s model_type is ${modelType}`,
    EXPORT_HF,
  );
}

/** Checks that half precision can hold the values, and returns them. */
function fitting({ name, values }: Architecture['tensors'][number]): Float32Array {
  const numbers = values();
  const large = numbers.find((value) => Math.abs(value) >= HALF_OVERFLOW && Number.isFinite(value));
  if (large === undefined) return numbers;
  throw cannotRun(`reads ${name} in half precision, which cannot hold its ${String(large)}`, 'add --dtype f32');
}

/** Source: `size_label` of gguf-py, `utility.py`. */
function sizeLabel({ tensors }: Architecture): string {
  const total = tensors.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  const [scale, suffix] = SCALES.find(([from]) => total > from) ?? [1e3, 'K'];
  const scaled = total / scale;
  const rounded = String(Math.round(scaled)).replace(/^0+/, '');
  return `${scaled.toFixed(Math.max(2 - rounded.length, 0))}${suffix}`;
}
const SCALES = [
  [1e12, 'T'],
  [1e9, 'B'],
  [1e6, 'M'],
] as const;
