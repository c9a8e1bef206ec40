import type { GenerateOptions } from '../../../core/index.js';
import { choose } from './choose.js';

/** Computes the logits [vocab] of the token that follows. */
export interface NextLogits {
  /** Of a text alone. */
  after(ids: readonly number[]): Float32Array;
  /** The same, and keeps what `next` needs of these ids: so many texts that begin with them follow. */
  begin(ids: readonly number[], texts: number): Float32Array;
  /** Of each text with one more id. */
  next(ids: readonly number[]): Float32Array[];
}

/**
 * Continues a prompt token by token, once for each of `options`; the context is cropped to its last `blockSize` tokens.
 * While it is not full, a token costs one position.
 */
export function generate(
  prompt: readonly number[],
  blockSize: number,
  options: readonly GenerateOptions[],
  logits: NextLogits,
): number[][] {
  const texts = options.map(() => [...prompt]);
  const tokens = Math.max(0, ...options.map(({ maxNewTokens }) => maxNewTokens));
  for (let i = 0; i < tokens; i++) {
    const following = logitsOf(texts, i, blockSize, logits);
    for (const [index, own] of options.entries()) {
      const id = choose(following(index), own);
      texts[index]?.push(id);
      own.onToken?.(id);
    }
  }
  return texts.map((ids) => ids.slice(prompt.length));
}

/** Logits after each text, of which `written` tokens were written before. */
function logitsOf(
  texts: readonly (readonly number[])[],
  written: number,
  blockSize: number,
  logits: NextLogits,
): (text: number) => Float32Array {
  const length = texts[0]?.length ?? 0;
  if (written === 0) {
    const prompt = (texts[0] ?? []).slice(-blockSize);
    const first = length < blockSize ? logits.begin(prompt, texts.length) : logits.after(prompt);
    return () => first;
  }
  if (length > blockSize) return (text) => logits.after((texts[text] ?? []).slice(-blockSize));
  const each = logits.next(texts.map((ids) => ids.at(-1) ?? 0));
  return (text) => each[text] ?? new Float32Array();
}
