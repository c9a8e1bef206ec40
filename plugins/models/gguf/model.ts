import { UsageError, type StoredTensor } from '../../../core/index.js';
import type { WrittenModel } from '../weights/formats.js';
import type { GgufDtype, GgufTensor, GgufValue } from './container.js';

/** A model as in Hugging Face transformers, with its names and layouts. */
export type HuggingFaceModel = Pick<WrittenModel, 'config' | 'weights'>;

/** A weight under llama.cpp's name. */
export type Named = Omit<GgufTensor, 'dtype'>;

/** An architecture of llama.cpp, with a model converted to it. */
export interface Architecture {
  /** llama.cpp's name for it. */
  readonly name: string;
  /** Its settings, without the architecture's name in front. */
  readonly settings: ReadonlyMap<string, GgufValue>;
  readonly tensors: readonly Named[];
}

export const uint32 = (value: number): GgufValue => ({ type: 'uint32', value });
export const float32 = (value: number): GgufValue => ({ type: 'float32', value });
export const bool = (value: boolean): GgufValue => ({ type: 'bool', value });
export const string = (value: string): GgufValue => ({ type: 'string', value });

export function cannotRun(what: string, remedy: string): UsageError {
  return new UsageError('ESP_CHECKPOINT_GGUF', `llama.cpp ${what}: ${remedy}`);
}

export const EXPORT_HF = 'export for Hugging Face transformers with --to hf';
export const OTHER_TOKENIZER = `train again with data.tokenizer: gpt2, or a tokenizer.json with byte-level BPE; or ${EXPORT_HF}`;

/** llama.cpp's names of parts outside blocks and within each block, without `.weight` and `.bias`. */
export interface Names {
  readonly block: RegExp;
  readonly outside: Readonly<Record<string, string>>;
  readonly inside: Readonly<Record<string, string>>;
}

/** Returns llama.cpp's name of a weight. @throws UsageError if it has none */
export function renamed(name: string, { block, outside, inside }: Names, architecture: string): string {
  const [, number, within = name] = block.exec(name) ?? [];
  const [, part = '', kind = ''] = /^(.+)\.(weight|bias)$/.exec(within) ?? [];
  const table = number === undefined ? outside : inside;
  const found = Object.hasOwn(table, part) ? table[part] : undefined;
  if (found === undefined)
    throw cannotRun(`has no place for ${name} in a model of the architecture ${architecture}`, EXPORT_HF);
  return `${number === undefined ? '' : `blk.${number}.`}${found}.${kind}`;
}

/** Returns a weight's type: vectors, norms and positions stay float32 in a half-precision file. */
export function dtypeOf({ name, shape }: Named, dtype: GgufDtype): GgufDtype {
  const isFull = shape.length < 2 || name.endsWith('_norm.weight') || name === 'position_embd.weight';
  return isFull || !name.endsWith('.weight') ? 'f32' : dtype;
}

export function floats({ values }: StoredTensor): Float32Array {
  return values instanceof Float32Array ? values : Float32Array.from(values);
}
