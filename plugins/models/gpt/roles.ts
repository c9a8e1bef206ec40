import type { WeightRole } from '../../optimizers/contract.js';

/** Queries, keys and values are side by side. */
const ATTENTION_PARTS = 3;

/** What a weight of a GPT is, by its name; a norm's bias is a bias, the low-rank terms of a layer are matrices. */
export function roleOf(name: string): WeightRole {
  const block = /^transformer\.h\.(\d+)\./.exec(name)?.[1];
  const depth = block === undefined ? {} : { depth: Number(block) };
  if (name.endsWith('.bias')) return { role: 'bias', ...depth };
  if (/\.ln_\w+\.weight$/.test(name)) return { role: 'norm', ...depth };
  if (block === undefined) return { role: 'embedding' };
  return { role: 'matrix', ...depth, ...(/\.c_attn\.(weight|lora_B)$/.test(name) ? { parts: ATTENTION_PARTS } : {}) };
}
