import type { Tokenizer } from '../../../core/index.js';
import { NO_TOKEN } from '../../tokenizers/contract.js';

/** Previous ids that a tokenizer may need to decode the next ones. */
const CONTEXT = 8;

/** Decodes ids as they arrive: a character of several tokens appears with its last one. */
export class ArrivingText {
  /** The context, followed by ids not yet decoded. */
  #ids: number[];
  /** How many of these are context. */
  #given: number;

  /** @param before ids of the text to continue */
  constructor(
    private readonly tokenizer: Tokenizer,
    before: readonly number[],
  ) {
    this.#ids = before.slice(-CONTEXT);
    this.#given = this.#ids.length;
  }

  /** Returns the text of the pending ids and these; empty while a character is incomplete. */
  async add(ids: readonly number[]): Promise<string> {
    this.#ids.push(...ids);
    const text = await this.#text();
    return text.endsWith(NO_TOKEN) ? '' : this.#taken(text);
  }

  /** Returns the text of the pending ids, at the end of the text. */
  async end(): Promise<string> {
    return this.#taken(await this.#text());
  }

  async #text(): Promise<string> {
    const added = this.#ids.slice(this.#given);
    if (added.length === 0) return '';
    const before = await this.tokenizer.decode(this.#ids.slice(0, this.#given));
    const whole = await this.tokenizer.decode(this.#ids);
    return whole.startsWith(before) ? whole.slice(before.length) : this.tokenizer.decode(added);
  }

  #taken(text: string): string {
    this.#ids = this.#ids.slice(-CONTEXT);
    this.#given = this.#ids.length;
    return text;
  }
}
