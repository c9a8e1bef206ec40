/**
 * What other families use of data. The contract `Dataset` itself, with its readers, is the core's: every run has one.
 */

/** Tokens in memory, as a reader: a text that was tokenized, or a test's. */
export { MemoryReader } from './shared/memory-reader.js';
/**
 * Reading the tokens of a run in another thread: the worker imports `openSharedModule`, which is much quicker to load
 * than the whole of espalier, and opens what `TokenReader.share()` gave.
 */
export { measureInThread, openShared, openSharedModule, type OpenSharedModule } from './shared/open-shared.js';
/** The mapping of a shrunken vocabulary, as `espalier vocab build` writes it, and the ids that it leads from and to. */
export { readVocabMap, shrunkenIds, type VocabMap } from './shared/vocab-map.js';
/**
 * Conversations as text: how the data that a checkpoint was trained on wrote them, ChatML where nothing is known, and what
 * writes them in the same way. `(await chatTemplate(format)).prompt(messages)` is the text that an answer continues, and
 * `endOfTurn()` the mark that ends it.
 */
export { chatml, type ChatFormat, type ChatMessage, type ChatPart } from './chat/format.js';
export { storedChatFormat } from './chat/stored.js';
export { chatTemplate } from './chat/load.js';
