import { createHash } from 'node:crypto';
import type { Tensor } from '@tensorflow/tfjs-core';

/** Returns the SHA-256 of the names, shapes and bits of tensors, in order. */
export function digestOf(tensors: ReadonlyMap<string, Tensor>): string {
  const hash = createHash('sha256');
  for (const [name, tensor] of tensors) {
    const values = tensor.dataSync();
    hash.update(`${name} ${String(tensor.shape)}\n`);
    if (values instanceof Float32Array || values instanceof Int32Array) {
      hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    }
  }
  return hash.digest('hex');
}

/** Returns the ranks that differ from the majority; in a tie, rank 0 is right. */
export function odd(all: readonly string[]): number[] {
  const counts = new Map<string, number>();
  for (const text of all) counts.set(text, (counts.get(text) ?? 0) + 1);
  const [first = ''] = all;
  let most = first;
  for (const [text, count] of counts) if (count > (counts.get(most) ?? 0)) most = text;
  return all.flatMap((text, rank) => (text === most ? [] : [rank]));
}

/** Returns `rank 2`, or `ranks 1, 2 and 3`. */
export function named(ranks: readonly number[]): string {
  const numbers = ranks.map(String);
  const last = numbers.pop() ?? '';
  return numbers.length === 0 ? `rank ${last}` : `ranks ${numbers.join(', ')} and ${last}`;
}
