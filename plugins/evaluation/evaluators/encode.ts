import { messageOf, UsageError, type Tokenizer } from '../../../core/index.js';
import { badExample } from './example-file.js';

/**
 * Encodes a text of an example.
 * @param what names the text in errors: `file.jsonl:7: answer`
 * @throws UsageError when it has no tokens, or text that the tokenizer cannot encode
 */
export async function encodeExample(tokenizer: Tokenizer, text: string, what: string): Promise<Int32Array> {
  let ids: Int32Array;
  try {
    ids = await tokenizer.encode(text);
  } catch (thrown) {
    throw badExample(what, messageOf(thrown), thrown);
  }
  if (ids.length === 0) throw badExample(what, 'has no tokens: give at least one character');
  return ids;
}

/** Returns the tokenizer. @throws UsageError naming the evaluator that needs one, when the data has none */
export function neededTokenizer(tokenizer: Tokenizer | undefined, plugin: string): Tokenizer {
  if (tokenizer !== undefined) return tokenizer;
  throw new UsageError(
    'ESP_NO_TOKENIZER',
    `plugins.${plugin} measures texts, and the data has no tokenizer: turn the plugin off, or prepare the data from text`,
  );
}
