import type { GenerateOptions } from '../../../core/index.js';

/** What decides which token follows. */
export type TokenChoice = Pick<GenerateOptions, 'temperature' | 'topK' | 'topP' | 'repetitionPenalty' | 'random'>;

/** Tokens that may follow, with their shares of `sum`. */
export interface Candidates {
  readonly ids: readonly number[];
  readonly shares: readonly number[];
  readonly sum: number;
}

/**
 * Draws the next token as `GenerateOptions` say: repetition penalty, temperature, top-k and top-p, in the order of Hugging
 * Face transformers.
 * @param logits [vocab], left as they are
 * @param text ids of the text so far, prompt included; only the repetition penalty needs them
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
 * softmax(scores / temperature) over the `topK` largest scores, then over the likeliest of these whose shares make up
 * `topP`; those equal to the least that is kept are kept, too.
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

/** Of the largest shares, as few as make up `topP` of the sum, the least. */
function leastOfNucleus({ shares, sum }: Candidates, topP: number): number {
  // Shares below this sum to less than the rest beside the nucleus: they need not be sorted.
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
