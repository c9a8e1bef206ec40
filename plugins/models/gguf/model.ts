import { UsageError, type StoredTensor } from '../../../core/index.js';
import type { WrittenModel } from '../weights/formats.js';
import type { GgufDtype, GgufTensor, GgufValue } from './container.js';

/** A model as Hugging Face transformers has it, under its names and in its layouts. */
export type HuggingFaceModel = Pick<WrittenModel, 'config' | 'weights'>;

/** A weight under llama.cpp's name. */
export type Named = Omit<GgufTensor, 'dtype'>;

/** What llama.cpp knows an architecture by, and how a model of it becomes one of llama.cpp's. */
export interface Architecture {
  /** llama.cpp's name of it. */
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

export const EXPORT_HF = 'export it for Hugging Face transformers, --to hf';
export const OTHER_TOKENIZER = `train with the tokenizer gpt2, or hf with a byte-level BPE; or ${EXPORT_HF}`;

/** Where llama.cpp has what: names of parts outside the blocks and within each, without `.weight` and `.bias`. */
export interface Names {
  readonly block: RegExp;
  readonly outside: Readonly<Record<string, string>>;
  readonly inside: Readonly<Record<string, string>>;
}

/** Returns llama.cpp's name of a weight. @throws UsageError when it has none for it */
export function renamed(name: string, { block, outside, inside }: Names, architecture: string): string {
  const [, number, within = name] = block.exec(name) ?? [];
  const [, part = '', kind = ''] = /^(.+)\.(weight|bias)$/.exec(within) ?? [];
  const table = number === undefined ? outside : inside;
  const found = Object.hasOwn(table, part) ? table[part] : undefined;
  if (found === undefined)
    throw cannotRun(`has no place for ${name} in a model of the architecture ${architecture}`, EXPORT_HF);
  return `${number === undefined ? '' : `blk.${number}.`}${found}.${kind}`;
}

/** What stays in float32 in a file of half precision: vectors, norms and positions. */
export function dtypeOf({ name, shape }: Named, dtype: GgufDtype): GgufDtype {
  const isFull = shape.length < 2 || name.endsWith('_norm.weight') || name === 'position_embd.weight';
  return isFull || !name.endsWith('.weight') ? 'f32' : dtype;
}

export function floats({ values }: StoredTensor): Float32Array {
  return values instanceof Float32Array ? values : Float32Array.from(values);
}
