/**
 * What tokenizers share, of other packages too. The contracts `Tokenizer` and `TokenizerFactory` are the core's: prepared
 * data and checkpoints name the tokenizer that they need.
 */
export { decodeKnown, NO_TOKEN } from './shared/decode-known.js';
/** A tokenizer as Hugging Face's `tokenizer.json`, and the parts of one. */
export { tokenizerJson, type TokenizerJson } from './shared/tokenizer-json.js';
export { flat, readDefinition, type Component, type Definition } from './hf/definition.js';
