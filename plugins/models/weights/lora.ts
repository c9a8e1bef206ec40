import type { StoredTensor } from '../../../core/index.js';

/** Returns true for a low-rank tensor of a layer. */
export function isLora(name: string): boolean {
  return /\.lora_[AB]$/.test(name);
}

/** Returns a LoRA layer's effective matrix: weight [in, out] + alpha / rank · A [in, rank] · B [rank, out]. */
export function mergedWeight(
  weight: StoredTensor,
  { a, b, alpha }: { a: StoredTensor; b: StoredTensor; alpha: number },
): { shape: number[]; values: Float32Array } {
  const [rows = 0, columns = 0] = weight.shape;
  const rank = a.shape[1] ?? 0;
  const values = Float32Array.from(weight.values);
  for (let i = 0; i < rows; i++) {
    for (let k = 0; k < rank; k++) {
      const factor = (alpha / rank) * (a.values[i * rank + k] ?? 0);
      for (let j = 0; j < columns; j++) {
        values[i * columns + j] = (values[i * columns + j] ?? 0) + factor * (b.values[k * columns + j] ?? 0);
      }
    }
  }
  return { shape: weight.shape, values };
}

/** Returns the weights of an equivalent model without LoRA. @param alpha `lora_alpha` */
export function withoutLora(weights: ReadonlyMap<string, StoredTensor>, alpha: number): Map<string, StoredTensor> {
  const plain = new Map<string, StoredTensor>();
  for (const [name, tensor] of weights) {
    if (isLora(name)) continue;
    const layer = name.replace(/\.weight$/, '');
    const [a, b] = [weights.get(`${layer}.lora_A`), weights.get(`${layer}.lora_B`)];
    plain.set(
      name,
      a === undefined || b === undefined || layer === name ? tensor : mergedWeight(tensor, { a, b, alpha }),
    );
  }
  return plain;
}
