import { UsageError } from '../../../core/errors.js';
import { ChatError, type ChatFormat } from './format.js';
import type { ChatTemplate } from './template.js';

/**
 * Makes a chat template. Loads the template language, which is slow, only when it is needed.
 * @throws UsageError when the template is not valid
 */
export async function chatTemplate(format: ChatFormat): Promise<ChatTemplate> {
  const { ChatTemplate } = await import('./template.js');
  try {
    return new ChatTemplate(format);
  } catch (thrown) {
    if (!(thrown instanceof ChatError)) throw thrown;
    throw new UsageError('ESP_CHAT_TEMPLATE', thrown.message, { cause: thrown });
  }
}
