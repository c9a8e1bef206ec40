import type { Tokenizer } from '../contracts/data.js';
import type { GenerateOptions, Model } from '../contracts/model.js';
import { isUsageError } from '../errors.js';
import { withChangingShapes } from '../ops/index.js';

export interface TextChoices extends Pick<GenerateOptions, 'temperature' | 'topK' | 'random'> {
  /** What the model goes on from; a line break when not given, or the first token where the vocabulary has none. */
  readonly prompt?: string | undefined;
  /** How many tokens to write. */
  readonly tokens: number;
}

/**
 * Has a model write.
 * @returns the prompt as the tokenizer gives it back, and the text after it
 * @throws UsageError naming the first piece of the prompt that has no token
 */
export function writeText(
  model: Model,
  tokenizer: Tokenizer,
  { prompt: given, tokens, temperature, topK, random }: TextChoices,
): { prompt: string; text: string } {
  const ids = given === undefined ? startOf(tokenizer) : [...tokenizer.encode(given)];
  const options = { maxNewTokens: tokens, temperature, topK, random };
  const written = withChangingShapes(() => model.generate(ids, options));
  const prompt = tokenizer.decode(ids);
  // Some tokenizers give tokens another text at the start than after others.
  const whole = tokenizer.decode([...ids, ...written]);
  return { prompt, text: whole.startsWith(prompt) ? whole.slice(prompt.length) : tokenizer.decode(written) };
}

function startOf(tokenizer: Tokenizer): number[] {
  try {
    return [...tokenizer.encode('\n')];
  } catch (thrown) {
    if (!isUsageError(thrown)) throw thrown;
    return [0];
  }
}
