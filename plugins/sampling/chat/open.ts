import { messageOf, UsageError } from '../../../core/index.js';
import { chatml, chatTemplate, storedChatFormat, type ChatFormat } from '../../data/contract.js';
import { readTextFile } from '../../files/contract.js';
import { openWriter } from '../text/samples.js';
import { Assistant, type AnswerChoices } from './assistant.js';

/**
 * Opens the model of a stored run as an assistant.
 * @param from a checkpoint or a run folder
 * @param template `chatml`, or a file with a Jinja template; undefined for the training data's
 * @throws UsageError if the tokenizer or the template is unknown
 */
export async function openAssistant(
  from: string,
  request: Parameters<typeof openWriter>[1],
  { template: named, ...choices }: AnswerChoices & { readonly template?: string | undefined },
): Promise<{ assistant: Assistant; endsTurns: boolean; dispose: () => Promise<void> }> {
  const { run, tokenizer, checkpoint } = await openWriter(from, request);
  try {
    const format = named === undefined ? storedChatFormat(checkpoint.state.plugins) : formatCalled(named);
    if (format === undefined) {
      throw new UsageError(
        'ESP_CHAT_TEMPLATE',
        `${checkpoint.path} was not trained on conversations (\`espalier prepare --chat\`), so its chat template is unknown: pass --chat-template chatml, or a file with a Jinja template; to continue a text, use \`espalier sample\``,
      );
    }
    const template = await chatTemplate(format);
    const assistant = new Assistant(run.model, tokenizer, template, choices);
    return { assistant, endsTurns: template.endOfTurn() !== '', dispose: () => run.dispose() };
  } catch (thrown) {
    await run.dispose();
    throw thrown;
  }
}

function formatCalled(name: string): ChatFormat {
  if (name === 'chatml') return chatml;
  try {
    return { template: readTextFile(name), special_tokens: {} };
  } catch (thrown) {
    throw new UsageError(
      'ESP_CHAT_TEMPLATE',
      `--chat-template ${name} cannot be read: ${messageOf(thrown)}; name chatml, or a file with a Jinja template`,
      { cause: thrown },
    );
  }
}
