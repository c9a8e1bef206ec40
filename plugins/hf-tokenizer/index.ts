import { readFileSync } from 'node:fs';
import { gunzipSync, gzipSync } from 'node:zlib';
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
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
} from '../../core/index.js';

const options = z
  .strictObject({
    file: z.string().min(1).optional().describe('a Hugging Face tokenizer.json'),
    end_of_text: z
      .string()
      .min(1)
      .optional()
      .describe('the token that ends a text; by default the first of <|endoftext|>, <|end_of_text|>, </s> and <eos>'),
  })
  .meta({ resume: 'fixed' });

/** Tokens that end a text in well-known models, in the order they are looked for. */
const USUAL_ENDS = ['<|endoftext|>', '<|end_of_text|>', '</s>', '<eos>'];

const stateSchema = z.object({
  tokenizer: z.literal('hf'),
  /** The tokenizer.json, gzipped and in base64: data and checkpoints need no other file. */
  definition: z.string(),
  end_of_text: z.string().nullable(),
});

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

  forText(): Tokenizer {
    const { file, end_of_text: endOfText } = this.config;
    if (file === undefined) {
      throw new UsageError('ESP_TOKENIZER_FILE', 'the tokenizer hf needs a file: name a tokenizer.json');
    }
    let definition: string;
    try {
      definition = readFileSync(file, 'utf8');
    } catch (thrown) {
      throw new UsageError(
        'ESP_TOKENIZER_FILE',
        `${file} cannot be read: ${messageOf(thrown)}; name a tokenizer.json that Hugging Face saved`,
        { cause: thrown },
      );
    }
    return new HfTokenizer(definition, endOfText, file);
  }

  fromState(state: TokenizerState): Tokenizer {
    const parsed = stateSchema.safeParse(state);
    if (!parsed.success) {
      throw new UsageError(
        'ESP_TOKENIZER_STATE',
        `the data was made with the tokenizer ${state.tokenizer}, not hf; set data.tokenizer`,
      );
    }
    const definition = gunzipSync(Buffer.from(parsed.data.definition, 'base64')).toString('utf8');
    return new HfTokenizer(definition, parsed.data.end_of_text ?? undefined, 'the stored tokenizer.json');
  }
}

class HfTokenizer implements Tokenizer {
  readonly vocabSize: number;
  readonly endOfText?: number;
  readonly #tokenizer: HuggingFaceTokenizer;

  constructor(
    private readonly definition: string,
    endOfText: string | undefined,
    source: string,
  ) {
    this.#tokenizer = parse(definition, source);
    const ids = this.#tokenizer.get_vocab(true);
    let largest = -1;
    for (const id of ids.values()) largest = Math.max(largest, id);
    this.vocabSize = largest + 1;
    const end = endOfText ?? USUAL_ENDS.find((token) => ids.has(token));
    const id = end === undefined ? undefined : ids.get(end);
    if (end !== undefined && id === undefined) {
      throw new UsageError(
        'ESP_TOKENIZER_FILE',
        `${source} has no token ${JSON.stringify(end)}: end_of_text names one of its own`,
      );
    }
    if (id !== undefined) this.endOfText = id;
  }

  encode(text: string): Int32Array {
    return Int32Array.from(this.#tokenizer.encode(text, { add_special_tokens: false }).ids);
  }

  decode(ids: ArrayLike<number>): string {
    if (ids.length === 0) return '';
    return this.#tokenizer.decode(Array.from(ids), { skip_special_tokens: false, clean_up_tokenization_spaces: false });
  }

  state(): TokenizerState {
    const end = this.endOfText === undefined ? undefined : this.#tokenizer.id_to_token(this.endOfText);
    return {
      tokenizer: 'hf',
      definition: gzipSync(this.definition, { level: 9 }).toString('base64'),
      end_of_text: end ?? null,
    };
  }
}

function parse(definition: string, source: string): HuggingFaceTokenizer {
  try {
    return new HuggingFaceTokenizer(z.looseObject({ model: z.looseObject({}) }).parse(JSON.parse(definition)), {});
  } catch (thrown) {
    throw new UsageError(
      'ESP_TOKENIZER_FILE',
      `${source} is no tokenizer.json that can be used: ${messageOf(thrown)}; save it with Hugging Face’s tokenizer.save()`,
      { cause: thrown },
    );
  }
}
