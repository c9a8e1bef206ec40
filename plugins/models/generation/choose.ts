import type { GenerateOptions } from '../../../core/index.js';

/** The options that decide the next token. */
export type TokenChoice = Pick<GenerateOptions, 'temperature' | 'topK' | 'topP' | 'repetitionPenalty' | 'random'>;

/** Candidate tokens, with their shares of `sum`. */
export interface Candidates {
  readonly ids: readonly number[];
  readonly shares: readonly number[];
  readonly sum: number;
}

/**
 * Draws the next token by `GenerateOptions`: repetition penalty, temperature, top-k and top-p, in the order of Hugging
 * Face transformers.
 * @param logits [vocab], not changed
 * @param text ids of the text so far, prompt included; needed only for the repetition penalty
 */
export function chooseToken(logits: Float32Array, choice: TokenChoice, text: readonly number[] = []): number {
  const scores = penalized(logits, text, choice.repetitionPenalty ?? 1);
  const largest = indexOfLargest(scores);
  if (choice.temperature === 0) return largest;
  const { ids, shares, sum } = candidates(scores, scores[largest] ?? 0, choice);
  let left = choice.random() * sum;
  for (let i = 0; i < ids.length; i++) {
    left -= shares[i] ?? 0;
    if (left < 0) return ids[i] ?? largest;
  }
  return largest;
}

/**
 * Returns softmax(scores / temperature) over the `topK` largest scores, restricted to the likeliest whose shares sum to
 * `topP`; ties with the smallest kept score are kept too.
 * @param top the largest score
 */
export function candidates(
  scores: Float32Array,
  top: number,
  { temperature, topK, topP = 1 }: Omit<TokenChoice, 'random'>,
): Candidates {
  const limit = topK > 0 && topK < scores.length ? kthLargest(scores, topK) : -Infinity;
  const ids: number[] = [];
  const shares: number[] = [];
  let sum = 0;
  for (let id = 0; id < scores.length; id++) {
    const score = scores[id] ?? 0;
    if (score < limit) continue;
    const share = Math.exp((score - top) / temperature);
    ids.push(id);
    shares.push(share);
    sum += share;
  }
  return topP < 1 ? nucleus({ ids, shares, sum }, topP) : { ids, shares, sum };
}

/**
 * Source: Keskar et al., "CTRL: A Conditional Transformer Language Model for Controllable Generation", 2019; negative
 * logits are multiplied, as in transformers' RepetitionPenaltyLogitsProcessor.
 */
export function penalized(logits: Float32Array, text: readonly number[], penalty: number): Float32Array {
  if (penalty === 1) return logits;
  const scores = logits.slice();
  for (const id of new Set(text)) {
    const logit = logits[id];
    if (logit !== undefined) scores[id] = logit < 0 ? logit * penalty : logit / penalty;
  }
  return scores;
}

/** Source: Holtzman et al., "The Curious Case of Neural Text Degeneration", 2020. */
function nucleus(all: Candidates, topP: number): Candidates {
  const least = leastOfNucleus(all, topP);
  const ids: number[] = [];
  const shares: number[] = [];
  let sum = 0;
  for (const [i, share] of all.shares.entries()) {
    if (share < least) continue;
    ids.push(all.ids[i] ?? 0);
    shares.push(share);
    sum += share;
  }
  return { ids, shares, sum };
}

/** Returns the smallest share in the nucleus: the fewest largest shares that sum to `topP` of the total. */
function leastOfNucleus({ shares, sum }: Candidates, topP: number): number {
  // Shares below this sum to less than 1 - topP of the total, so they need not be sorted.
  const floor = ((1 - topP) * sum) / shares.length;
  const ascending = Float64Array.from(shares.filter((share) => share >= floor)).sort();
  let kept = 0;
  for (let i = ascending.length - 1; i >= 0; i--) {
    const share = ascending[i] ?? 0;
    kept += share;
    if (kept >= topP * sum) return share;
  }
  return 0;
}

/** Returns the index of the largest value; the first of several. */
function indexOfLargest(values: Float32Array): number {
  let best = 0;
  let most = values[0] ?? -Infinity;
  for (let i = 1; i < values.length; i++) {
    const value = values[i] ?? -Infinity;
    if (value > most) [best, most] = [i, value];
  }
  return best;
}

/** Returns the k-th largest number, using a min-heap of the k largest so far. */
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

/** Replaces the heap's minimum and restores the heap. */
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
