/**
 * What other families use of data. The contract `Dataset` itself is in the core, since every run has one.
 */

/** A reader of tokens in memory: a tokenized text, or tokens of a test. */
export { MemoryReader } from './shared/memory-reader.js';
/**
 * Reading a run's tokens in another thread: the worker imports `openSharedModule`, which loads much faster than all of
 * espalier, and opens what `TokenReader.share()` returned.
 */
export { measureInThread, openShared, openSharedModule, type OpenSharedModule } from './shared/open-shared.js';
/** The mapping of a shrunken vocabulary, written by `espalier vocab build`. */
export { readVocabMap, shrunkenIds, type VocabMap } from './shared/vocab-map.js';
/**
 * Conversations as text. `storedChatFormat` returns the format of a checkpoint's training data; the default is ChatML.
 * `(await chatTemplate(format)).prompt(messages)` returns the text that an answer continues, and `endOfTurn()` the mark
 * that ends it.
 */
export { chatml, type ChatFormat, type ChatMessage, type ChatPart } from './chat/format.js';
export { storedChatFormat } from './chat/stored.js';
export { chatTemplate } from './chat/load.js';
