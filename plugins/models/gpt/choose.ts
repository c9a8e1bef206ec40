import type { GenerateOptions } from '../../../core/index.js';

/** Draws an id from softmax(logits / temperature) over the `topK` largest, and those equal to the least of them. */
export function choose(
  logits: Float32Array,
  { temperature, topK, random }: Pick<GenerateOptions, 'temperature' | 'topK' | 'random'>,
): number {
  const largest = indexOfLargest(logits);
  if (temperature === 0) return largest;
  const limit = topK > 0 && topK < logits.length ? kthLargest(logits, topK) : -Infinity;
  const top = logits[largest] ?? 0;
  const ids: number[] = [];
  const shares: number[] = [];
  let sum = 0;
  for (let id = 0; id < logits.length; id++) {
    const logit = logits[id] ?? 0;
    if (logit < limit) continue;
    const share = Math.exp((logit - top) / temperature);
    ids.push(id);
    shares.push(share);
    sum += share;
  }
  let left = random() * sum;
  for (let i = 0; i < ids.length; i++) {
    left -= shares[i] ?? 0;
    if (left < 0) return ids[i] ?? largest;
  }
  return largest;
}

/** The first of the largest. */
function indexOfLargest(values: Float32Array): number {
  let best = 0;
  let most = values[0] ?? -Infinity;
  for (let i = 1; i < values.length; i++) {
    const value = values[i] ?? -Infinity;
    if (value > most) [best, most] = [i, value];
  }
  return best;
}

/** The k-th largest number, of the k largest so far in a heap with the least on top. */
function kthLargest(values: Float32Array, k: number): number {
  const heap = values.slice(0, k).sort();
  let least = heap[0] ?? -Infinity;
  for (let i = k; i < values.length; i++) {
    const value = values[i] ?? -Infinity;
    if (!(value > least)) continue;
    replaceTop(heap, value);
    least = heap[0] ?? -Infinity;
  }
  return least;
}

/** Puts a number in place of the least, and down to where both below it are larger. */
function replaceTop(heap: Float32Array, value: number): void {
  let at = 0;
  for (;;) {
    const left = 2 * at + 1;
    if (left >= heap.length) break;
    const right = left + 1;
    const child = right < heap.length && (heap[right] ?? 0) < (heap[left] ?? 0) ? right : left;
    const below = heap[child] ?? 0;
    if (below >= value) break;
    heap[at] = below;
    at = child;
  }
  heap[at] = value;
}
