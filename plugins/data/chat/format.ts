import { z } from 'zod';

/** A turn of a conversation. */
export interface ChatMessage {
  readonly role: string;
  readonly content: string;
}

export const chatFormatSchema = z.strictObject({
  /** Jinja, as Hugging Face's `chat_template`. */
  template: z.string(),
  /** What the template refers to by name: `bos_token`, `eos_token` and their like. */
  special_tokens: z.record(z.string(), z.string()),
});

/** How conversations are written as text: prepared data and checkpoints keep it. */
export type ChatFormat = z.output<typeof chatFormatSchema>;

/** A piece of the text of a conversation. */
export interface ChatPart {
  readonly text: string;
  /** Whether it is an answer of the assistant's, the end of its turn included. */
  readonly learned: boolean;
}

/** What is wrong with a conversation, or with a template. */
export class ChatError extends Error {}

/** The usual marks of turns, where the tokenizer has no template of its own. */
export const chatml: ChatFormat = {
  template: [
    '{% for message in messages %}',
    "{{ '<|im_start|>' + message['role'] + '\\n' }}",
    "{% if message['role'] == 'assistant' %}",
    "{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}",
    "{% else %}{{ message['content'] + '<|im_end|>' }}{% endif %}",
    "{{ '\\n' }}{% endfor %}",
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
  ].join(''),
  special_tokens: {},
};
