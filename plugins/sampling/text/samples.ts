import {
  Dataset,
  Engine,
  RandomStreams,
  TokenizerFactory,
  Tokenizers,
  UsageError,
  type Tokenizer,
} from '../../../core/index.js';
import type { Run } from '../../../core/runs.js';
import { openStoredRun } from '../../checkpoint/contract.js';
import { writeTexts, type SamplingChoices, type TextChoices } from './write-text.js';

/** What to generate: equal choices give equal text. */
export interface SampleChoices extends SamplingChoices, Pick<TextChoices, 'prompt' | 'tokens'> {
  readonly seed: number;
}

/**
 * Generates texts with a stored run: each is the prompt and its continuation.
 * @param from a checkpoint or a run folder
 * @throws UsageError if the run's data had no tokenizer
 */
export async function storedSamples(
  from: string,
  request: Parameters<typeof openStoredRun>[2],
  choices: SampleChoices & { readonly count: number },
): Promise<string[]> {
  const { run, tokenizer } = await openWriter(from, request);
  try {
    return await samplesOf(run, tokenizer, choices);
  } finally {
    await run.dispose();
  }
}

/**
 * Opens a stored run for generating text.
 * @param from a checkpoint or a run folder
 * @throws UsageError if the run's data had no tokenizer
 */
export async function openWriter(
  from: string,
  request: Parameters<typeof openStoredRun>[2],
): Promise<Awaited<ReturnType<typeof openStoredRun>> & { tokenizer: Tokenizer }> {
  const { run, checkpoint } = await openStoredRun(from, ['engine', 'tokenizer', 'model'], request);
  try {
    const { tokenizer: state } = checkpoint.state;
    if (state === null) {
      throw new UsageError(
        'ESP_NO_TOKENIZER',
        `${checkpoint.path} was trained on tokens without a tokenizer, so its output cannot be decoded`,
      );
    }
    const configured = run.container.resolve(TokenizerFactory);
    const tokenizer = await run.container.resolve(Tokenizers).fromState(state, configured);
    return { run, tokenizer, checkpoint };
  } catch (thrown) {
    await run.dispose();
    throw thrown;
  }
}

/** Generates text with the run's current weights and the data's tokenizer; empty if the data has none. */
export async function sampleFrom(run: Run, { tokens }: { tokens: number }): Promise<string> {
  const { tokenizer } = run.container.resolve(Dataset);
  if (tokenizer === undefined) return '';
  const choices = { tokens, temperature: 0.8, topK: 200, seed: run.config.seed, count: 1 };
  return (await samplesOf(run, tokenizer, choices))[0] ?? '';
}

/** Texts generated at the same time: each has a key/value cache of its own. */
const AT_ONCE = 8;

async function samplesOf(
  run: Run,
  tokenizer: Tokenizer,
  { seed, count, ...choices }: SampleChoices & { readonly count: number },
): Promise<string[]> {
  const engine = run.container.resolve(Engine);
  const streams = new RandomStreams(seed);
  const samples: string[] = [];
  while (samples.length < count) {
    const first = samples.length;
    const randoms = Array.from({ length: Math.min(AT_ONCE, count - first) }, (_, i) => {
      const stream = streams.at('sample', first + i);
      return () => stream.float();
    });
    const { prompt, texts } = await writeTexts(run.model, tokenizer, { ...choices, engine, randoms });
    samples.push(...texts.map((text) => prompt + text));
  }
  return samples;
}
