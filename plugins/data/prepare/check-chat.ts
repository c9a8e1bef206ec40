import { UsageError, type Tokenizer } from '../../../core/index.js';
import { ChatError, type ChatFormat } from '../chat/format.js';
import { ChatTemplate } from '../chat/template.js';
import type { Input } from './inputs.js';

/**
 * Checks conversations before they are prepared.
 * @param tokenizer undefined if it is learned from the conversations
 * @throws UsageError for inputs that are not conversations, an invalid template, or a tokenizer that cannot encode the
 *   template's marks
 */
export async function checkChat(
  format: ChatFormat,
  inputs: readonly Input[],
  tokenizer: Tokenizer | undefined,
): Promise<void> {
  const other = inputs.find((input) => input.format !== 'jsonl');
  if (other !== undefined) {
    throw new UsageError(
      'ESP_PREPARE_FORMAT',
      `${other.name} looks like ${other.format}, but --chat reads JSONL of messages; --format jsonl reads it as JSONL`,
    );
  }
  const end = endOfTurn(format);
  if (tokenizer === undefined || end === '') return;
  const written = await tokenizer.decode(await tokenizer.encode(end));
  if (written.includes(end)) return;
  throw new UsageError(
    'ESP_CHAT_TEMPLATE',
    `the tokenizer cannot write ${JSON.stringify(end)}, which ends a turn in the chat template: it becomes ${JSON.stringify(written)}; choose another template with --chat-template, or another tokenizer`,
  );
}

function endOfTurn(format: ChatFormat): string {
  try {
    return new ChatTemplate(format).endOfTurn();
  } catch (thrown) {
    if (!(thrown instanceof ChatError)) throw thrown;
    throw new UsageError('ESP_CHAT_TEMPLATE', `--chat-template: of a question and an answer, ${thrown.message}`);
  }
}
