/**
 * Helpers for tokenizers, including those of other packages. The contracts `Tokenizer` and `TokenizerFactory` are in
 * the core: prepared data and checkpoints name the tokenizer that they need.
 */
export { decodeKnown, NO_TOKEN } from './shared/decode-known.js';
/** A tokenizer as Hugging Face's `tokenizer.json`, and its parts. */
export { tokenizerJson, type TokenizerJson } from './shared/tokenizer-json.js';
export { flat, readDefinition, type Component, type Definition } from './hf/definition.js';
