import path from 'node:path';
import type { LoadedCheckpoint } from '../../../core/index.js';
import { storedChatFormat } from '../../data/contract.js';
import { tokenizerJson, type TokenizerJson } from '../../tokenizers/contract.js';
import { writeGguf, type GgufDtype } from './container.js';
import { ggufContent } from './content.js';
import { cannotRun, OTHER_TOKENIZER, type HuggingFaceModel } from './model.js';

/**
 * Writes the model of a checkpoint as one file for llama.cpp, with the tokenizer and chat template of its data. The
 * model's name is that of the run folder.
 * @throws UsageError for a model or tokenizer that llama.cpp does not support
 */
export async function writeGgufModel(
  { path: checkpoint, state }: Pick<LoadedCheckpoint, 'path' | 'state'>,
  model: HuggingFaceModel,
  file: string,
  dtype: GgufDtype,
): Promise<void> {
  const name = path.basename(path.dirname(path.dirname(checkpoint)));
  const tokenizer = await tokenizerOf(state);
  const chatTemplate = storedChatFormat(state.plugins)?.template;
  await writeGguf(file, ggufContent(model, { name, dtype, tokenizer, chatTemplate }));
}

async function tokenizerOf({ tokenizer }: LoadedCheckpoint['state']): Promise<TokenizerJson> {
  const found = tokenizer === null ? undefined : await tokenizerJson(tokenizer);
  if (found !== undefined) return found;
  throw cannotRun(
    tokenizer === null ? 'needs a tokenizer, and the data has none' : `cannot use the tokenizer ${tokenizer.tokenizer}`,
    OTHER_TOKENIZER,
  );
}
