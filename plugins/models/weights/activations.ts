import type { Activation } from '../../ops/contract.js';

/** Hugging Face's names of our activations. Source: `ACT2FN` of transformers, `activations.py`. */
const NAMES = {
  gelu: 'gelu',
  gelu_new: 'gelu_tanh',
  gelu_pytorch_tanh: 'gelu_tanh',
  silu: 'silu',
  swish: 'silu',
  relu: 'relu',
  relu2: 'relu2',
} as const satisfies Readonly<Record<string, Activation>>;

export type HuggingFaceActivation = keyof typeof NAMES;
export const HUGGING_FACE_ACTIVATIONS = [
  'gelu',
  'gelu_new',
  'gelu_pytorch_tanh',
  'silu',
  'swish',
  'relu',
  'relu2',
] as const;

export function activationOf(name: HuggingFaceActivation): Activation {
  return NAMES[name];
}

/** Returns the name in GPT-2's own configs, if there are several. */
export function huggingFaceActivation(activation: Activation): HuggingFaceActivation {
  return activation === 'gelu_tanh' ? 'gelu_new' : activation;
}
