import { z } from 'zod';
import {
  inject,
  messageOf,
  Plugin,
  PluginConfig,
  TokenizerFactory,
  UsageError,
  type Bindings,
  type Tokenizer,
  type TokenizerState,
} from '../../../core/index.js';
import { homeExpanded } from '../../../core/paths.js';
import { readTextFile } from '../../files/contract.js';
import { decodeKnown } from '../shared/decode-known.js';
import type { CutRule } from './adjacent.js';
import { cutRule } from './cuts.js';
import { readDefinition, type Definition } from './definition.js';
import { endOfText } from './end-of-text.js';
import { referenceEncoder, type Encoder } from './reference.js';
import { packed, storedDefinition } from './stored.js';

const options = z
  .strictObject({
    file: z.string().min(1).optional().describe('a Hugging Face tokenizer.json'),
    end_of_text: z
      .string()
      .min(1)
      .optional()
      .describe('token that ends a text (default: from the config files next to the file, or a common one)'),
  })
  .meta({ resume: 'fixed' });

@Plugin({
  name: 'hf-tokenizer',
  summary: 'A Hugging Face tokenizer.json.',
  slot: 'tokenizer',
  config: options,
})
export default class HfTokenizerPlugin implements TokenizerFactory {
  static register(bindings: Bindings): void {
    bindings.bind(TokenizerFactory, HfTokenizerPlugin);
  }

  constructor(@inject(PluginConfig) private readonly config: z.output<typeof options>) {}

  async forText(): Promise<Tokenizer> {
    const { file: given, end_of_text: named } = this.config;
    if (given === undefined) {
      throw new UsageError('ESP_TOKENIZER_FILE', 'the tokenizer hf needs a file: give a tokenizer.json');
    }
    const file = homeExpanded(given);
    let definition: string;
    try {
      definition = readTextFile(file);
    } catch (thrown) {
      throw new UsageError(
        'ESP_TOKENIZER_FILE',
        `${file} cannot be read: ${messageOf(thrown)}; give a tokenizer.json that Hugging Face saved`,
        { cause: thrown },
      );
    }
    return makeTokenizer(definition, file, (definition, encoder) => named ?? endOfText(file, definition, encoder));
  }

  async fromState(state: TokenizerState): Promise<Tokenizer> {
    const stored = storedDefinition(state);
    if (stored === undefined) {
      throw new UsageError(
        'ESP_TOKENIZER_STATE',
        `the data was made with the tokenizer ${state.tokenizer}, not hf; set data.tokenizer`,
      );
    }
    return makeTokenizer(stored.definition, 'the stored tokenizer.json', () => stored.endOfText);
  }
}

async function makeTokenizer(
  text: string,
  source: string,
  endIn: (definition: Definition, encoder: Encoder) => string | undefined,
): Promise<Tokenizer> {
  const definition = readDefinition(text, source);
  const encoder = await referenceEncoder(text, source);
  const end = endIn(definition, encoder);
  const endId = end === undefined ? undefined : encoder.idOf(end);
  if (end !== undefined && endId === undefined) {
    throw new UsageError(
      'ESP_TOKENIZER_FILE',
      `${source} has no token ${JSON.stringify(end)}: set end_of_text to a token that it has`,
    );
  }
  return new HfTokenizer(Buffer.from(text), encoder, sizeOf(definition, encoder), endId, cutRule(definition));
}

/** The library assigns the ids of added tokens itself, whatever the file says. */
function sizeOf({ tokens, added }: Definition, encoder: Encoder): number {
  let largest = -1;
  for (const [, id] of tokens()) largest = Math.max(largest, id);
  for (const { content } of added) largest = Math.max(largest, encoder.idOf(content) ?? -1);
  return largest + 1;
}

class HfTokenizer implements Tokenizer {
  readonly background = true;
  readonly endOfText?: number;
  readonly canCut?: CutRule;
  #packed: string | undefined;

  constructor(
    /** The file's bytes: a string would take up to four times the memory. */
    private readonly definition: Buffer,
    private readonly encoder: Encoder,
    readonly vocabSize: number,
    endOfText: number | undefined,
    canCut: CutRule | undefined,
  ) {
    if (endOfText !== undefined) this.endOfText = endOfText;
    if (canCut !== undefined) this.canCut = canCut;
  }

  async encode(text: string): Promise<Int32Array> {
    return this.encoder.encode(text.toWellFormed());
  }

  async decode(ids: ArrayLike<number>): Promise<string> {
    const isKnown = (id: number): boolean => id >= 0 && id < this.vocabSize && this.encoder.tokenOf(id) !== undefined;
    return decodeKnown(Array.from(ids), isKnown, (known) => this.encoder.decode(known));
  }

  state(): TokenizerState {
    return {
      tokenizer: 'hf',
      definition: (this.#packed ??= packed(this.definition)),
      end_of_text: (this.endOfText === undefined ? undefined : this.encoder.tokenOf(this.endOfText)) ?? null,
    };
  }
}
