/**
 * What tokenizers share, of other packages too. The contracts `Tokenizer` and `TokenizerFactory` are the core's: prepared
 * data and checkpoints name the tokenizer that they need.
 */
export { decodeKnown, NO_TOKEN } from './shared/decode-known.js';
