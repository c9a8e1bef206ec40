import { RandomStreams, type Model, type Tokenizer } from '../../../core/index.js';
import type { ChatMessage } from '../../data/contract.js';
import { textPieces } from '../text/text-pieces.js';
import type { SamplingChoices } from '../text/write-text.js';
import { Conversation } from './conversation.js';

/** What writes conversations as text. */
export interface Turns {
  /** The text that the next answer continues. */
  prompt(messages: readonly ChatMessage[]): string;
  /** What ends an answer; empty where nothing does. */
  endOfTurn(): string;
}

/** How answers are written: the same choices give the same answers to the same messages. */
export interface AnswerChoices extends SamplingChoices {
  /** Message that the conversation begins with. */
  readonly system?: string | undefined;
  /** Most tokens of an answer. */
  readonly tokens: number;
  readonly seed: number;
}

/** A model that answers messages, and remembers the conversation. */
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

  /** Forgets the conversation, but for the system message. */
  reset(): void {
    this.#conversation.reset();
  }

  /**
   * Answers a message in pieces, as the model writes them. What was written is remembered, also where `signal` ends it.
   * @param onDropped called where the oldest turns are left out of the window
   * @throws UsageError for a message that does not fit into the window or that has no tokens
   */
  async *answer(
    content: string,
    { signal, onDropped }: { signal?: AbortSignal; onDropped?: (turns: number) => void } = {},
  ): AsyncGenerator<string, void> {
    const { temperature, topK, topP, repetitionPenalty, tokens, stop = [] } = this.choices;
    // The answer needs a part of the window, but not so much that hardly anything is remembered.
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
