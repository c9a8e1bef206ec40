import type { GenerateOptions } from '../../../core/index.js';
import { chooseToken } from './choose.js';

/** Computes the logits [vocab] of the next token. */
export interface NextLogits {
  /** Of a single text of at most `blockSize` ids. */
  after(ids: readonly number[]): Float32Array;
  /** Optional. Computes only new positions, for texts that fit in the context, with a key/value cache. */
  readonly kept?: {
    /** Like `after`, and caches these ids for `texts` texts that begin with them. */
    begin(ids: readonly number[], texts: number): Float32Array;
    /** Of each text with one more id. */
    next(ids: readonly number[]): Float32Array[];
  };
}

/**
 * Continues a prompt once for each of `options`: each step adds one token to every unfinished text. The context is
 * cropped to its last `blockSize` tokens.
 * @returns the new ids of each text
 */
export function* generateSteps(
  prompt: readonly number[],
  blockSize: number,
  options: readonly GenerateOptions[],
  logits: NextLogits,
): Generator<undefined, number[][]> {
  const texts = options.map((own) => ({ own, ids: [...prompt], ended: false }));
  const newIds = (ids: readonly number[]): number[] => ids.slice(prompt.length);
  for (let written = 0; ; written++) {
    for (const text of texts) text.ended ||= hasEnded(text.own, written, () => newIds(text.ids));
    if (texts.every(({ ended }) => ended)) return texts.map(({ ids }) => newIds(ids));
    const following = logitsOf(
      texts.map(({ ids }) => ids),
      { written, length: prompt.length + written, blockSize },
      logits,
    );
    for (const [index, { own, ids, ended }] of texts.entries()) {
      if (ended) continue;
      const id = chooseToken(following(index), own, ids);
      ids.push(id);
      own.onToken?.(id);
    }
    yield;
  }
}

/** Runs all steps at once and returns the result. */
export function lastOf<T>(steps: Generator<unknown, T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

function hasEnded(own: GenerateOptions, written: number, ids: () => readonly number[]): boolean {
  return written >= own.maxNewTokens || (written > 0 && own.stop?.(ids()) === true);
}

/** Returns the logits after each unfinished text, all of equal length; entries of finished texts are meaningless. */
function logitsOf(
  texts: readonly (readonly number[])[],
  { written, length, blockSize }: { written: number; length: number; blockSize: number },
  logits: NextLogits,
): (text: number) => Float32Array {
  const { kept } = logits;
  if (written === 0) {
    const prompt = (texts[0] ?? []).slice(-blockSize);
    const first = kept === undefined || length >= blockSize ? logits.after(prompt) : kept.begin(prompt, texts.length);
    return () => first;
  }
  if (kept === undefined || length > blockSize) return (text) => logits.after((texts[text] ?? []).slice(-blockSize));
  const each = kept.next(texts.map((ids) => ids.at(-1) ?? 0));
  return (text) => each[text] ?? new Float32Array();
}
