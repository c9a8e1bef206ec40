import { z } from 'zod';

/** A turn of a conversation. */
export interface ChatMessage {
  readonly role: string;
  readonly content: string;
}

export const chatFormatSchema = z.strictObject({
  /** A Jinja template, like Hugging Face's `chat_template`. */
  template: z.string(),
  /** Tokens that the template refers to by name: `bos_token`, `eos_token`, … */
  special_tokens: z.record(z.string(), z.string()),
});

/** How conversations are written as text; saved in prepared data and in checkpoints. */
export type ChatFormat = z.output<typeof chatFormatSchema>;

/** A piece of the text of a conversation. */
export interface ChatPart {
  readonly text: string;
  /** Whether it is an answer of the assistant, including the end of its turn. */
  readonly learned: boolean;
}

/** Thrown for an invalid conversation or template. */
export class ChatError extends Error {}

/** ChatML, for tokenizers without a template of their own. */
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
