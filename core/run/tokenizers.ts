import { z } from 'zod';
import { TokenizerFactory, Tokenizers, type Tokenizer, type TokenizerState } from '../contracts/data.js';
import { UsageError } from '../errors.js';
import { findPlugin } from '../families/resolve.js';
import { makePlugins, newContainer } from './container.js';

/** A tokenizer plugin with its options. */
export interface TokenizerChoice {
  /** The name in a config: `char`, `gpt2`, `./my-tokenizer.ts`. */
  readonly use: string;
  readonly options: Readonly<Record<string, unknown>>;
}

/** Finds a tokenizer plugin by the name in a saved state. */
export class TokenizersByName implements Tokenizers {
  constructor(private readonly cwd: string) {}

  async fromState(state: TokenizerState, configured?: TokenizerFactory): Promise<Tokenizer> {
    try {
      if (configured !== undefined) return await configured.fromState(state);
    } catch (thrown) {
      if (!(thrown instanceof UsageError) || thrown.code !== 'ESP_TOKENIZER_STATE') throw thrown;
    }
    return (await this.factory({ use: state.tokenizer, options: {} })).fromState(state);
  }

  /** Returns the factory of a tokenizer plugin, in a container of its own. */
  async factory({ use, options }: TokenizerChoice): Promise<TokenizerFactory> {
    const found = await findPlugin(use, this.cwd, 'tokenizer');
    const checked = (found.options.config ?? z.strictObject({})).safeParse(options);
    if (!checked.success) {
      throw new UsageError('ESP_TOKENIZER_OPTIONS', `tokenizer ${use}: ${z.prettifyError(checked.error)}`);
    }
    const container = newContainer();
    container.register(Tokenizers, { useValue: this });
    makePlugins(container, [{ ...found, config: checked.data, path: ['data', 'tokenizer'] }]);
    return container.resolve(TokenizerFactory);
  }
}
