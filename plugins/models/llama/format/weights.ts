import type { StoredTensor } from '../../../../core/index.js';
import type { HeadSizes } from '../../../ops/contract.js';
import { rowsOf, stacked, transposed } from '../../weights/layout.js';

const PARTS = ['q_proj', 'k_proj', 'v_proj'] as const;
/** Part of the projection of queries, keys and values, in files. */
const PART = /^(.*\.self_attn\.)([qkv]_proj)\.(weight|bias)$/;
const FUSED = /^(.*\.self_attn\.)qkv_proj\.(weight|bias)$/;
/** [out, in] in files, [in, out] in the plugin. */
const TURNED = /\.(?:o_proj|gate_proj|up_proj|down_proj)\.weight$/;

/**
 * Converts a file's weights to the plugin's: queries, keys and values become one matrix, and matrices [in, out].
 * @param tensors converted ones are removed
 * @throws Error if one of the three is missing, or if its heads differ from `config.json`
 */
export function toPlugin(tensors: Map<string, StoredTensor>, heads: HeadSizes): Map<string, StoredTensor> {
  const weights = new Map<string, StoredTensor>();
  for (const [name, tensor] of tensors) {
    const [, layer, , kind] = PART.exec(name) ?? [];
    tensors.delete(name);
    if (layer === undefined || kind === undefined) {
      weights.set(name, TURNED.test(name) ? transposed(tensor) : tensor);
      continue;
    }
    const parts = PARTS.map((part) => {
      const own = `${layer}${part}.${kind}`;
      const found = own === name ? tensor : tensors.get(own);
      tensors.delete(own);
      if (found === undefined) throw new Error(`${own} is missing, although ${name} exists`);
      const rows = rowsIn(part, heads);
      if (found.shape[0] === rows) return found;
      throw new Error(`${own} has ${String(found.shape[0])} rows, but its config.json says ${String(rows)}`);
    });
    const fused = stacked(parts);
    weights.set(`${layer}qkv_proj.${kind}`, kind === 'weight' ? transposed(fused) : fused);
  }
  return weights;
}

/** Converts the plugin's weights to a file's. */
export function toFile(weights: ReadonlyMap<string, StoredTensor>, heads: HeadSizes): Map<string, StoredTensor> {
  const tensors = new Map<string, StoredTensor>();
  for (const [name, tensor] of weights) {
    const [, layer, kind] = FUSED.exec(name) ?? [];
    if (layer === undefined || kind === undefined) {
      tensors.set(name, TURNED.test(name) ? transposed(tensor) : tensor);
      continue;
    }
    const fused = kind === 'weight' ? transposed(tensor) : tensor;
    let from = 0;
    for (const part of PARTS) {
      const rows = rowsIn(part, heads);
      tensors.set(`${layer}${part}.${kind}`, rowsOf(fused, from, from + rows));
      from += rows;
    }
  }
  return tensors;
}

function rowsIn(part: (typeof PARTS)[number], { heads, keyValueHeads, headDim }: HeadSizes): number {
  return (part === 'q_proj' ? heads : keyValueHeads) * headDim;
}
