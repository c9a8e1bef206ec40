import { availableParallelism } from 'node:os';
import type { Encoding, Tokenizer } from '@anush008/tokenizers';
import { messageOf, UsageError } from '../../../core/index.js';
import { addCommand } from '../../packages/contract.js';
import { unusable } from './definition.js';

/** Concurrent calls into the library: Node.js has four threads for them, and each takes tens of megabytes. */
const CALLS = Math.min(4, availableParallelism());
/** Texts per call, so that more cores have work too: the library distributes them. */
const TEXTS_A_CALL = Math.ceil(availableParallelism() / CALLS);

/** Encodes text with a tokenizer.json. */
export interface Encoder {
  idOf(token: string): number | undefined;
  tokenOf(id: number): string | undefined;
  encode(text: string): Promise<Int32Array>;
  decode(ids: readonly number[]): Promise<string>;
}

/**
 * Loads Hugging Face's own Rust library. It encodes in threads of its own, several texts at a time.
 * @throws UsageError if the library is not installed or rejects the file
 */
export async function referenceEncoder(definition: string, source: string): Promise<Encoder> {
  const library = await load(source);
  try {
    const tokenizer = library.fromString(definition);
    // The file may truncate texts to its model's input length, which must not happen here.
    tokenizer.disableTruncation();
    tokenizer.disablePadding();
    return new ReferenceEncoder(tokenizer, source);
  } catch (thrown) {
    throw unusable(source, messageOf(thrown), thrown);
  }
}

async function load(source: string): Promise<typeof Tokenizer> {
  try {
    return (await import('@anush008/tokenizers')).Tokenizer;
  } catch (thrown) {
    const official = await import('tokenizers').catch(() => undefined);
    if (official !== undefined) return official.Tokenizer;
    throw new UsageError(
      'ESP_TOKENIZER_LIBRARY',
      `${source} needs Hugging Face’s tokenizer library, which does not load on this machine (${messageOf(thrown).split('\n')[0] ?? ''}): install it with \`${addCommand('@anush008/tokenizers')}\`, or where that has no build with \`${addCommand('tokenizers')}\`, or use the tokenizer gpt2, bytes or char`,
      { cause: thrown },
    );
  }
}

interface Waiting {
  readonly text: string;
  readonly resolve: (ids: Int32Array) => void;
  readonly reject: (error: unknown) => void;
}

class ReferenceEncoder implements Encoder {
  readonly #waiting: Waiting[] = [];
  #calls = 0;

  constructor(
    private readonly tokenizer: Tokenizer,
    private readonly source: string,
  ) {}

  idOf(token: string): number | undefined {
    return this.tokenizer.tokenToId(token) ?? undefined;
  }

  tokenOf(id: number): string | undefined {
    return this.tokenizer.idToToken(id) ?? undefined;
  }

  async encode(text: string): Promise<Int32Array> {
    try {
      return await new Promise((resolve, reject) => {
        this.#waiting.push({ text, resolve, reject });
        this.#next();
      });
    } catch (thrown) {
      throw await this.#unknown(text, thrown);
    }
  }

  async decode(ids: readonly number[]): Promise<string> {
    return this.tokenizer.decode([...ids], false);
  }

  #next(): void {
    if (this.#calls === CALLS || this.#waiting.length === 0) return;
    const taken = this.#waiting.splice(0, TEXTS_A_CALL);
    this.#calls++;
    void this.#encodeAll(taken).finally(() => {
      this.#calls--;
      this.#next();
    });
  }

  async #encodeAll(taken: readonly Waiting[]): Promise<void> {
    const [only] = taken;
    try {
      if (taken.length > 1) {
        const encodings = await this.tokenizer.encodeBatch(
          taken.map(({ text }) => text),
          { addSpecialTokens: false },
        );
        encodings.forEach((encoding, index) => taken[index]?.resolve(idsOf(encoding)));
      } else if (only !== undefined) {
        only.resolve(idsOf(await this.#encodeOne(only.text)));
      }
    } catch (thrown) {
      // Only one of the texts may be at fault.
      if (taken.length > 1) for (const each of taken) await this.#encodeAll([each]);
      else only?.reject(thrown);
    }
  }

  async #encodeOne(text: string): Promise<Encoding> {
    return this.tokenizer.encode(text, null, { addSpecialTokens: false });
  }

  /** Finds the first piece of a text that the library has no token for: the end of the shortest prefix that fails. */
  async #unknown(text: string, thrown: unknown): Promise<UsageError> {
    let works = 0;
    let fails = text.length;
    while (fails - works > 1) {
      const middle = (works + fails) >> 1;
      const failed = await this.#encodeOne(text.slice(0, middle)).then(
        () => false,
        () => true,
      );
      if (failed) fails = middle;
      else works = middle;
    }
    const piece = /\S{0,20}.$/su.exec(text.slice(0, fails))?.[0].trimStart() ?? '';
    return new UsageError(
      'ESP_TOKENIZER_TEXT',
      `${this.source} has no token for ${JSON.stringify(piece)}, and no unknown token (${messageOf(thrown)}): give its model an unknown token, or remove the text`,
      { cause: thrown },
    );
  }
}

function idsOf(encoding: Encoding): Int32Array {
  return Int32Array.from(encoding.getIds());
}
