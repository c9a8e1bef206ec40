import type { Tensor } from '@tensorflow/tfjs-core';

/** How many elements of a tensor are NaN or infinite. */
export interface NotFinite {
  readonly name: string;
  readonly count: number;
  readonly size: number;
}

/** The first tensor with elements that are not finite. Reads them one by one: ask only when a norm says so. */
export function firstNotFinite(tensors: ReadonlyMap<string, Tensor>): NotFinite | undefined {
  for (const [name, tensor] of tensors) {
    let count = 0;
    for (const value of tensor.dataSync<'float32'>()) if (!Number.isFinite(value)) count++;
    if (count > 0) return { name, count, size: tensor.size };
  }
  return undefined;
}
