import { existsSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { messageOf, UsageError } from '../../../core/index.js';
import { readJsonFile } from '../../files/contract.js';
import type { Definition } from './definition.js';
import type { Encoder } from './reference.js';

/** Special tokens that end a text in well-known models, in order of preference. */
const USUAL_ENDS = [
  '<|endoftext|>',
  '<|end_of_text|>',
  '<｜end▁of▁sentence｜>',
  '</s>',
  '<eos>',
  '<EOT>',
  '<|eos|>',
  '<|EOS|>',
  '[EOS]',
  '<end_of_text>',
  '<EOS_TOKEN>',
];

/**
 * Files that transformers saves next to a tokenizer.json and that name its end-of-text token, in order of precedence.
 */
const CONFIGS = ['tokenizer_config.json', 'special_tokens_map.json', 'generation_config.json', 'config.json'];

const text = z.union([z.string(), z.looseObject({ content: z.string() }).transform(({ content }) => content)]);
const ids = z.union([z.int().transform((id) => [id]), z.array(z.int())]);
const configSchema = z.looseObject({ eos_token: text.nullish().catch(null), eos_token_id: ids.nullish().catch(null) });

/**
 * Returns the token that ends a text: the one named by the config files next to the file, else a token with a usual
 * name. It has to be a special token unless its name cannot mean anything else: in Gemma, `</s>` is an HTML tag.
 * @throws UsageError for a config that is not JSON
 */
export function endOfText(file: string, definition: Definition, encoder: Encoder): string | undefined {
  for (const name of CONFIGS) {
    const token = namedIn(path.join(path.dirname(file), name), encoder);
    if (token !== undefined) return token;
  }
  const special = new Set(definition.added.filter((token) => token.special === true).map(({ content }) => content));
  const isUnmistakable = (token: string): boolean => token.startsWith('<|') && encoder.idOf(token) !== undefined;
  return USUAL_ENDS.find((token) => special.has(token)) ?? USUAL_ENDS.find(isUnmistakable);
}

/** Returns the token that a config names, if this tokenizer has it. */
function namedIn(file: string, encoder: Encoder): string | undefined {
  if (!existsSync(file)) return undefined;
  let content: unknown;
  try {
    content = readJsonFile(file);
  } catch (thrown) {
    throw new UsageError(
      'ESP_TOKENIZER_FILE',
      `${file}, which may name the end-of-text token, cannot be read: ${messageOf(thrown)}; correct or remove it`,
      { cause: thrown },
    );
  }
  const { data } = configSchema.safeParse(content);
  const token = data?.eos_token ?? undefined;
  if (token !== undefined && encoder.idOf(token) !== undefined) return token;
  return data?.eos_token_id?.map((id) => encoder.tokenOf(id)).find((found) => found !== undefined);
}
