import {
  type Tokenizer,
  type Engine,
  type GenerateOptions,
  type Model,
  isUsageError,
  useEngine,
} from '../../../core/index.js';
import { withChangingShapes } from '../../ops/contract.js';
import { textPieces, type Stops } from './text-pieces.js';

/** How tokens are chosen and where a text ends. */
export interface SamplingChoices
  extends Stops, Pick<GenerateOptions, 'temperature' | 'topK' | 'topP' | 'repetitionPenalty'> {}

export interface TextChoices extends SamplingChoices, Pick<GenerateOptions, 'random'> {
  /** The text to continue; default: a line break, or the first token if the vocabulary has none. */
  readonly prompt?: string | undefined;
  /** Number of tokens to generate. */
  readonly tokens: number;
  /** Made current before generating, because another run may have used its own engine. */
  readonly engine?: Engine;
}

/**
 * Generates text.
 * @returns the prompt as the tokenizer decodes it, and its continuation
 * @throws UsageError naming the first piece of the prompt that has no token
 */
export async function writeText(
  model: Model,
  tokenizer: Tokenizer,
  { random, ...choices }: TextChoices,
): Promise<{ prompt: string; text: string }> {
  const { prompt, texts } = await writeTexts(model, tokenizer, { ...choices, randoms: [random] });
  return { prompt, text: texts[0] ?? '' };
}

/** Generates several continuations of one prompt, each with its own random numbers; equal to calls of `writeText`. */
export async function writeTexts(
  model: Model,
  tokenizer: Tokenizer,
  {
    prompt: given,
    tokens,
    engine,
    randoms,
    stop = [],
    stopIds = [],
    ...choices
  }: Omit<TextChoices, 'random'> & {
    readonly randoms: readonly TextChoices['random'][];
  },
): Promise<{ prompt: string; texts: string[] }> {
  const ids = given === undefined ? await startOf(tokenizer) : [...(await tokenizer.encode(given))];
  const options = randoms.map((random) => ({ ...choices, maxNewTokens: tokens, random }));
  const prompt = await tokenizer.decode(ids);
  if (stop.length + stopIds.length > 0) {
    const texts = options.map(() => '');
    for await (const pieces of textPieces({ model, tokenizer, engine }, ids, options, { stop, stopIds })) {
      for (const [index, piece] of pieces.entries()) texts[index] = `${texts[index] ?? ''}${piece}`;
    }
    return { prompt, texts };
  }
  if (engine !== undefined) useEngine(engine);
  const written = withChangingShapes(
    () => model.generateAll?.(ids, options) ?? options.map((each) => model.generate(ids, each)),
  );
  const texts: string[] = [];
  for (const more of written) {
    // Decode together with the prompt, because some tokenizers decode a token differently at the start.
    const whole = await tokenizer.decode([...ids, ...more]);
    texts.push(whole.startsWith(prompt) ? whole.slice(prompt.length) : await tokenizer.decode(more));
  }
  return { prompt, texts };
}

async function startOf(tokenizer: Tokenizer): Promise<number[]> {
  try {
    return [...(await tokenizer.encode('\n'))];
  } catch (thrown) {
    if (!isUsageError(thrown)) throw thrown;
    return [0];
  }
}
