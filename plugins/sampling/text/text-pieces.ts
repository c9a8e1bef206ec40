import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Engine, type GenerateOptions, type Model, type Tokenizer, useEngine } from '../../../core/index.js';
import { withChangingShapes } from '../../ops/contract.js';
import { ArrivingText } from './arriving-text.js';
import { StopTexts } from './stop-texts.js';

/** Where texts end, besides their number of tokens. */
export interface Stops {
  /** A text ends before the first of these; they need not align with tokens. */
  readonly stop?: readonly string[] | undefined;
  /** A text ends before a token with one of these ids. */
  readonly stopIds?: readonly number[] | undefined;
}

/** A model and its tokenizer. */
export interface Writer {
  readonly model: Pick<Model, 'generate' | 'generateSteps'>;
  readonly tokenizer: Tokenizer;
  /** Made current before each step, because another run may have used its own engine in between. */
  readonly engine?: Engine | undefined;
}

/**
 * Generates texts and yields what each token adds to each text; text that may belong to a stop text or to an incomplete
 * character follows later. Other work, such as signals, runs between tokens. Leaving the loop early ends the texts.
 * @param prompt ids that the texts continue
 */
export async function* textPieces(
  { model, tokenizer, engine }: Writer,
  prompt: readonly number[],
  options: readonly GenerateOptions[],
  stops: Stops,
): AsyncGenerator<readonly string[], void> {
  const texts = options.map(() => new WatchedText(tokenizer, prompt, stops));
  const watched = options.map((own, index) => ({
    ...own,
    onToken(id: number): void {
      texts[index]?.add(id);
      own.onToken?.(id);
    },
    stop: (ids: readonly number[]) => texts[index]?.ended === true || own.stop?.(ids) === true,
  }));
  const steps = model.generateSteps?.(prompt, watched) ?? tokenByToken(model, prompt, watched);
  try {
    for (;;) {
      if (engine !== undefined) useEngine(engine);
      const step = withChangingShapes(() => steps.next());
      if (step.done === true) break;
      yield await Promise.all(texts.map((text) => text.read()));
      await nextTurn();
    }
    yield await Promise.all(texts.map((text) => text.end()));
  } finally {
    steps.return([]);
  }
}

/** For models without `generateSteps`: generates each token by a call of its own. */
function* tokenByToken(
  model: Writer['model'],
  prompt: readonly number[],
  options: readonly GenerateOptions[],
): Generator<undefined, number[][]> {
  const texts: number[][] = [];
  for (const own of options) {
    const ids: number[] = [];
    while (ids.length < own.maxNewTokens && !(ids.length > 0 && own.stop?.(ids) === true)) {
      ids.push(...model.generate([...prompt, ...ids], { ...own, maxNewTokens: 1 }));
      yield;
    }
    texts.push(ids);
  }
  return texts;
}

/** A text while it is generated, with its stop conditions. */
class WatchedText {
  readonly #text: ArrivingText;
  readonly #stops: StopTexts;
  readonly #stopIds: readonly number[];
  #new: number[] = [];
  #stopped = false;

  constructor(tokenizer: Tokenizer, prompt: readonly number[], { stop = [], stopIds = [] }: Stops) {
    this.#text = new ArrivingText(tokenizer, prompt);
    this.#stops = new StopTexts(stop);
    this.#stopIds = stopIds;
  }

  get ended(): boolean {
    return this.#stopped || this.#stops.found;
  }

  add(id: number): void {
    if (this.#stopIds.includes(id)) this.#stopped = true;
    else this.#new.push(id);
  }

  /** Returns the text added since the last call, except what may belong to a stop text or an incomplete character. */
  async read(): Promise<string> {
    const ids = this.#new;
    this.#new = [];
    return this.#stops.add(await this.#text.add(ids));
  }

  /** Returns the text that `read` held back, at the end of the text. */
  async end(): Promise<string> {
    return this.#stops.add(await this.#text.end()) + this.#stops.end();
  }
}
