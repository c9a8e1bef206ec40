import type { GenerateOptions } from '../../../core/index.js';

/**
 * Continues a prompt token by token; the context is cropped to its last `blockSize` tokens.
 * @param lastLogits ids → logits [vocab] of the token after them
 */
export function generate(
  prompt: readonly number[],
  blockSize: number,
  options: GenerateOptions,
  lastLogits: (ids: readonly number[]) => Float32Array,
): number[] {
  const ids = [...prompt];
  for (let i = 0; i < options.maxNewTokens; i++) {
    const id = choose(lastLogits(ids.slice(-blockSize)), options);
    ids.push(id);
    options.onToken?.(id);
  }
  return ids.slice(prompt.length);
}

/** Draws an id from softmax(logits / temperature) over the `topK` largest. */
function choose(logits: Float32Array, { temperature, topK, random }: GenerateOptions): number {
  const largest = logits.reduce((best, logit, id) => (logit > (logits[best] ?? -Infinity) ? id : best), 0);
  if (temperature === 0) return largest;
  const limit =
    topK > 0 && topK < logits.length ? (Float32Array.from(logits).sort().at(-topK) ?? -Infinity) : -Infinity;
  const top = logits[largest] ?? 0;
  const shares = Array.from(logits, (logit) => (logit < limit ? 0 : Math.exp((logit - top) / temperature)));
  let left = random() * shares.reduce((sum, share) => sum + share, 0);
  for (const [id, share] of shares.entries()) {
    left -= share;
    if (left < 0) return id;
  }
  return largest;
}
