import { existsSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { messageOf, UsageError } from '../../../core/errors.js';
import { readJsonFile, readTextFile } from '../../files/contract.js';
import { chatml, type ChatFormat } from './format.js';

const token = z.union([z.string(), z.looseObject({ content: z.string() }).transform(({ content }) => content)]);
const NAMES = ['bos_token', 'eos_token', 'unk_token', 'pad_token', 'sep_token', 'cls_token', 'mask_token'] as const;
const config = z.looseObject({
  chat_template: z
    .union([
      z.string(),
      z
        .array(z.looseObject({ name: z.string(), template: z.string() }))
        .transform((all) => (all.find(({ name }) => name === 'default') ?? all[0])?.template),
    ])
    .nullish(),
  ...Object.fromEntries(NAMES.map((name) => [name, token.nullish().catch(null)])),
});

/**
 * Returns the format that `--chat-template` names.
 * @param choice `chatml`, `tokenizer` (the one next to the tokenizer.json), or a file
 * @param tokenizer the tokenizer.json, absolute; undefined for tokenizers of another kind
 * @throws UsageError when there is no such template
 */
export function findChatFormat(choice: string, file: string, tokenizer: string | undefined): ChatFormat {
  if (choice === 'chatml') return chatml;
  const special_tokens = tokenizer === undefined ? {} : specialTokens(path.dirname(tokenizer));
  if (choice !== 'tokenizer') return { template: textOf(file, `--chat-template ${choice}`), special_tokens };
  const template = tokenizer === undefined ? undefined : ownTemplate(path.dirname(tokenizer));
  if (template !== undefined) return { template, special_tokens };
  const where =
    tokenizer === undefined
      ? 'only a tokenizer.json can come with one, in a file next to it'
      : `no chat_template.jinja, and no chat_template in tokenizer_config.json, in ${path.dirname(tokenizer)}`;
  throw new UsageError(
    'ESP_CHAT_TEMPLATE',
    `--chat-template tokenizer: ${where}; give a file with a template, or remove the option to use ChatML`,
  );
}

function ownTemplate(folder: string): string | undefined {
  const file = path.join(folder, 'chat_template.jinja');
  if (existsSync(file)) return textOf(file, '--chat-template tokenizer');
  return configIn(path.join(folder, 'tokenizer_config.json')).chat_template ?? undefined;
}

function specialTokens(folder: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of ['special_tokens_map.json', 'tokenizer_config.json']) {
    const tokens = configIn(path.join(folder, name));
    for (const key of NAMES) {
      const value = tokens[key];
      if (typeof value === 'string') found[key] = value;
    }
  }
  return found;
}

function configIn(file: string): z.output<typeof config> {
  if (!existsSync(file)) return {};
  try {
    return config.parse(readJsonFile(file));
  } catch (thrown) {
    const why = thrown instanceof z.ZodError ? z.prettifyError(thrown) : messageOf(thrown);
    throw new UsageError(
      'ESP_CHAT_TEMPLATE',
      `${file}, which may hold the chat template, cannot be read: ${why}; correct it, or give a template with --chat-template`,
      { cause: thrown },
    );
  }
}

function textOf(file: string, shown: string): string {
  try {
    return readTextFile(file);
  } catch (thrown) {
    const choices = 'name chatml, tokenizer, or a file with a Jinja template';
    throw new UsageError('ESP_CHAT_TEMPLATE', `${shown}: ${file} cannot be read: ${messageOf(thrown)}; ${choices}`, {
      cause: thrown,
    });
  }
}
