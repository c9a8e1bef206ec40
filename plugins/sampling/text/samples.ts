import {
  Dataset,
  RandomStreams,
  TokenizerFactory,
  Tokenizers,
  UsageError,
  type Tokenizer,
} from '../../../core/index.js';
import type { Run } from '../../../core/runs.js';
import { openStoredRun } from '../../checkpoint/contract.js';
import { writeText, type TextChoices } from './write-text.js';

/** What is written: the same numbers give the same text. */
export interface SampleChoices extends Pick<TextChoices, 'prompt' | 'tokens' | 'temperature' | 'topK'> {
  readonly seed: number;
}

/**
 * Texts of a run that is stored: prompt and what the model writes after it.
 * @param from a checkpoint or a run's folder
 * @throws UsageError where its data had no tokenizer
 */
export async function storedSamples(
  from: string,
  request: Parameters<typeof openStoredRun>[2],
  choices: SampleChoices & { readonly count: number },
): Promise<string[]> {
  const { run, checkpoint } = await openStoredRun(from, ['engine', 'tokenizer', 'model'], request);
  try {
    const { tokenizer: state } = checkpoint.state;
    if (state === null) {
      throw new UsageError(
        'ESP_NO_TOKENIZER',
        `${checkpoint.path} was trained on tokens without a tokenizer: there is no text to write`,
      );
    }
    const configured = run.container.resolve(TokenizerFactory);
    const tokenizer = await run.container.resolve(Tokenizers).fromState(state, configured);
    const samples: string[] = [];
    for (let index = 0; index < choices.count; index++) samples.push(await sample(run, tokenizer, choices, index));
    return samples;
  } finally {
    await run.dispose();
  }
}

/** Text that the run's model writes now, with the data's tokenizer; empty where the data has none. */
export async function sampleFrom(run: Run, { tokens }: { tokens: number }): Promise<string> {
  const { tokenizer } = run.container.resolve(Dataset);
  if (tokenizer === undefined) return '';
  return sample(run, tokenizer, { tokens, temperature: 0.8, topK: 200, seed: run.config.seed }, 0);
}

async function sample(run: Run, tokenizer: Tokenizer, choices: SampleChoices, index: number): Promise<string> {
  const { prompt: given, tokens, temperature, topK, seed } = choices;
  const stream = new RandomStreams(seed).at('sample', index);
  const options = { prompt: given, tokens, temperature, topK, random: () => stream.float() };
  const { prompt, text } = await writeText(run.model, tokenizer, options);
  return prompt + text;
}
