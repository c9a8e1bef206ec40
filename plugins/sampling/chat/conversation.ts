import { UsageError, type Tokenizer } from '../../../core/index.js';
import type { ChatMessage } from '../../data/contract.js';

/** A conversation as a prompt that fits in the model's window; drops the oldest turns if necessary. */
export class Conversation {
  /** A message and, if there was one, its answer. */
  #turns: ChatMessage[][] = [];
  #asked = 0;

  /**
   * @param window number of tokens the model sees
   * @param prompt formats messages as the text that the next answer continues
   */
  constructor(
    private readonly window: number,
    private readonly tokenizer: Tokenizer,
    private readonly prompt: (messages: readonly ChatMessage[]) => string,
    private readonly system: string | undefined,
  ) {}

  /** Number of messages since the conversation began. */
  get asked(): number {
    return this.#asked;
  }

  reset(): void {
    this.#turns = [];
    this.#asked = 0;
  }

  /**
   * Adds a message.
   * @param room tokens to reserve for the answer
   * @returns the prompt, and how many turns were dropped
   * @throws UsageError for a message that does not fit in the window or has no tokens; it is then not added
   */
  async ask(content: string, room: number): Promise<{ prompt: readonly number[]; dropped: number }> {
    const turn: ChatMessage[] = [{ role: 'user', content }];
    for (let dropped = 0; ; dropped++) {
      const kept = [...this.#turns.slice(dropped), turn];
      const prompt = await this.tokenizer.encode(this.prompt([...this.#begin(), ...kept.flat()]));
      if (prompt.length > this.window - room && kept.length > 1) continue;
      if (prompt.length >= this.window) throw tooLong(prompt.length, this.window);
      this.#turns = kept;
      this.#asked++;
      return { prompt: [...prompt], dropped };
    }
  }

  /** Adds the answer to the last message. */
  answered(content: string): void {
    this.#turns.at(-1)?.push({ role: 'assistant', content });
  }

  #begin(): ChatMessage[] {
    return this.system === undefined ? [] : [{ role: 'system', content: this.system }];
  }
}

function tooLong(tokens: number, window: number): UsageError {
  return new UsageError(
    'ESP_CHAT_WINDOW',
    `the message takes ${String(tokens)} tokens with what the template and --system add, but the model's window has ${String(window)}: write a shorter one`,
  );
}
