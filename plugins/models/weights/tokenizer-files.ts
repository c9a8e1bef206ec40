import type { LoadedCheckpoint } from '../../../core/index.js';
import { storedChatFormat } from '../../data/contract.js';
import { tokenizerJson } from '../../tokenizers/contract.js';

const [DEFINITION, CONFIG] = ['tokenizer.json', 'tokenizer_config.json'];
export const TOKENIZER_FILES: readonly string[] = [DEFINITION, CONFIG];

/** The files of a checkpoint's tokenizer for Hugging Face transformers. */
export interface TokenizerFiles {
  /** Their contents by name; empty if transformers cannot have the tokenizer. */
  readonly texts: ReadonlyMap<string, string>;
  /** Why there are none, for the log. */
  readonly notes: readonly string[];
}

/** Returns the tokenizer of a checkpoint, with the chat template of its data, as `AutoTokenizer.from_pretrained` reads it. */
export async function tokenizerFiles({ state }: Pick<LoadedCheckpoint, 'state'>): Promise<TokenizerFiles> {
  if (state.tokenizer === null) return { texts: new Map(), notes: [] };
  const tokenizer = await tokenizerJson(state.tokenizer);
  if (tokenizer === undefined) {
    const note = `no tokenizer files: Hugging Face transformers cannot use the tokenizer ${state.tokenizer.tokenizer}`;
    return { texts: new Map(), notes: [note] };
  }
  const chat = storedChatFormat(state.plugins);
  const config = {
    // Any other class would build its own tokenizer and leave tokenizer.json unread.
    tokenizer_class: 'PreTrainedTokenizerFast',
    clean_up_tokenization_spaces: false,
    ...tokenizer.config,
    ...(chat === undefined ? {} : { ...chat.special_tokens, chat_template: chat.template }),
  };
  const texts = new Map([
    [DEFINITION, tokenizer.definition],
    [CONFIG, JSON.stringify(config, null, 2)],
  ]);
  return { texts, notes: [] };
}
