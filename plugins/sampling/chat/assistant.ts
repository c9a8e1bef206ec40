import { RandomStreams, type Model, type Tokenizer } from '../../../core/index.js';
import type { ChatMessage } from '../../data/contract.js';
import { textPieces } from '../text/text-pieces.js';
import type { SamplingChoices } from '../text/write-text.js';
import { Conversation } from './conversation.js';

/** Formats conversations as text. */
export interface Turns {
  /** Returns the text that the next answer continues. */
  prompt(messages: readonly ChatMessage[]): string;
  /** Returns the text that ends an answer; empty if there is none. */
  endOfTurn(): string;
}

/** How to generate answers: equal choices give equal answers to equal messages. */
export interface AnswerChoices extends SamplingChoices {
  /** System message at the start of the conversation. */
  readonly system?: string | undefined;
  /** Maximum number of tokens in an answer. */
  readonly tokens: number;
  readonly seed: number;
}

/** Answers messages with a model, and remembers the conversation. */
export class Assistant {
  readonly #conversation: Conversation;
  readonly #streams: RandomStreams;

  constructor(
    private readonly model: Pick<Model, 'generate' | 'generateSteps' | 'blockSize'>,
    private readonly tokenizer: Tokenizer,
    private readonly turns: Turns,
    private readonly choices: AnswerChoices,
  ) {
    this.#conversation = new Conversation(
      model.blockSize,
      tokenizer,
      (messages) => turns.prompt(messages),
      choices.system,
    );
    this.#streams = new RandomStreams(choices.seed);
  }

  /** Forgets the conversation except for the system message. */
  reset(): void {
    this.#conversation.reset();
  }

  /**
   * Answers a message in pieces, as the model generates them. Text generated until `signal` aborts is remembered too.
   * @param onDropped called when the oldest turns no longer fit in the window
   * @throws UsageError for a message that does not fit in the window or has no tokens
   */
  async *answer(
    content: string,
    { signal, onDropped }: { signal?: AbortSignal; onDropped?: (turns: number) => void } = {},
  ): AsyncGenerator<string, void> {
    const { temperature, topK, topP, repetitionPenalty, tokens, stop = [] } = this.choices;
    // Reserve part of the window for the answer, but leave at least half for the conversation.
    const room = Math.min(tokens, Math.floor(this.model.blockSize / 2));
    const number = this.#conversation.asked;
    const { prompt, dropped } = await this.#conversation.ask(content, room);
    if (dropped > 0) onDropped?.(dropped);
    const stream = this.#streams.at('chat', number);
    const options = {
      ...{ temperature, topK, topP, repetitionPenalty, maxNewTokens: tokens },
      random: () => stream.float(),
    };
    const end = this.turns.endOfTurn();
    const stops = {
      stop: end === '' ? stop : [end, ...stop],
      stopIds: this.tokenizer.endOfText === undefined ? [] : [this.tokenizer.endOfText],
    };
    let answer = '';
    try {
      for await (const [piece = ''] of textPieces(
        { model: this.model, tokenizer: this.tokenizer },
        prompt,
        [options],
        stops,
      )) {
        if (signal?.aborted === true) break;
        answer += piece;
        if (piece !== '') yield piece;
      }
    } finally {
      this.#conversation.answered(answer);
    }
  }
}
