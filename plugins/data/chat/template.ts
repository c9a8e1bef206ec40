import { Template } from '@huggingface/jinja';
import { messageOf } from '../../../core/errors.js';
import { ChatError, type ChatFormat, type ChatMessage, type ChatPart } from './format.js';

const GENERATION = /\{%(-?)\s*(end)?generation\s*(-?)%\}/g;
/** Unicode noncharacters, which valid text never contains. */
const [OPEN, CLOSE] = ['\ufdd0', '\ufdd1'];
const MARKS = /[\ufdd0\ufdd1]/;
/** Hides the date from templates that can do without it: data must not depend on the day it is prepared. */
const NO_CLOCK = '{% set strftime_now = undefined %}\n';

/** Writes conversations as text. */
export class ChatTemplate {
  readonly #plain: Template;
  /** Writes `OPEN` and `CLOSE` around answers; undefined for a template that does not mark answers. */
  readonly #marking: Template | undefined;

  /** @throws ChatError when the template is not valid */
  constructor(private readonly format: ChatFormat) {
    try {
      this.#plain = new Template(NO_CLOCK + format.template);
      const marked = format.template.replace(GENERATION, marking);
      this.#marking = marked === format.template ? undefined : new Template(NO_CLOCK + marked);
    } catch (thrown) {
      throw new ChatError(`the chat template is not valid: ${messageOf(thrown)}`);
    }
  }

  /** Returns the text that the assistant's answer to a conversation continues. */
  prompt(messages: readonly ChatMessage[]): string {
    return this.#render(this.#plain, messages, true);
  }

  /** Returns the text that ends the turn after an answer's content; empty if there is none. */
  endOfTurn(): string {
    const content = 'Answer.';
    const parts = this.parts([
      { role: 'user', content: 'Question?' },
      { role: 'assistant', content },
    ]);
    const text = parts.find((part) => part.learned && part.text.includes(content))?.text ?? content;
    return text.slice(text.lastIndexOf(content) + content.length).trimEnd();
  }

  /**
   * Returns a conversation in pieces, in order: answers, and the text between them.
   * @throws ChatError when the template rejects it, or the answers cannot be located in the text
   */
  parts(messages: readonly ChatMessage[]): ChatPart[] {
    const whole = this.#render(this.#plain, messages, false);
    const parts = this.#marking === undefined ? this.#byPrefixes(whole, messages) : this.#marked(whole, messages);
    if (!parts.some(({ learned }) => learned)) throw new ChatError('the chat template writes no answer for it');
    return parts;
  }

  #marked(whole: string, messages: readonly ChatMessage[]): ChatPart[] {
    if (MARKS.test(whole)) throw new ChatError('it contains U+FDD0 or U+FDD1, which are not valid in text');
    if (this.#marking === undefined) return [];
    const pieces = this.#render(this.#marking, messages, false).split(MARKS);
    if (pieces.join('') !== whole) throw new ChatError('{% generation %} changes what the chat template writes');
    return nonEmpty(pieces.map((text, index) => ({ text, learned: index % 2 === 1 })));
  }

  /** Locates answers by rendering the messages before each one, which must be a prefix of the whole text. */
  #byPrefixes(whole: string, messages: readonly ChatMessage[]): ChatPart[] {
    const parts: ChatPart[] = [];
    let at = 0;
    for (const [index, { role, content }] of messages.entries()) {
      if (role !== 'assistant') continue;
      const before = this.#render(this.#plain, messages.slice(0, index), true);
      const through = this.#render(this.#plain, messages.slice(0, index + 1), false);
      const fits = through.length >= before.length && before.length >= at;
      if (!fits || !whole.startsWith(before) || !whole.startsWith(through)) {
        throw new ChatError(
          `the chat template writes message ${String(index + 1)}, or the text before it, differently when more messages follow, so the answer cannot be located; mark answers in the template with {% generation %} and {% endgeneration %}`,
        );
      }
      const end = before.length + answerLength(through.slice(before.length), content);
      parts.push({ text: whole.slice(at, before.length), learned: false });
      parts.push({ text: whole.slice(before.length, end), learned: true });
      at = end;
    }
    return nonEmpty([...parts, { text: whole.slice(at), learned: false }]);
  }

  #render(template: Template, messages: readonly ChatMessage[], generationPrompt: boolean): string {
    try {
      return template.render({
        ...this.format.special_tokens,
        messages: messages.map(({ role, content }) => ({ role, content })),
        add_generation_prompt: generationPrompt,
      });
    } catch (thrown) {
      const date = this.format.template.includes('strftime_now')
        ? '; if the template writes the current date (strftime_now), use a copy of it with a fixed date'
        : '';
      throw new ChatError(`the chat template rejects it: ${messageOf(thrown)}${date}`);
    }
  }
}

/** Returns a tag that writes a mark and trims the white space around it like the tag it replaces. */
function marking(_tag: string, before: string, end: string | undefined, after: string): string {
  return `{%${before} if true %}{{ '${end === undefined ? OPEN : CLOSE}' }}{% endif ${after}%}`;
}

/** Returns the length of the content and the mark that ends the turn, without the line break after it. */
function answerLength(text: string, content: string): number {
  const written = content.trim();
  const end = text.lastIndexOf(written) + written.length;
  const isMarked = text.slice(end).trim() !== '';
  return isMarked ? text.trimEnd().length : text.length;
}

function nonEmpty(parts: readonly ChatPart[]): ChatPart[] {
  return parts.filter(({ text }) => text !== '');
}
