export { partName, partOfFolder, type Part } from './prepare/part.js';
export { MemoryReader } from './shared/memory-reader.js';
export { openSharedModule, type OpenSharedModule, measureInThread, openShared } from './shared/open-shared.js';
export { readVocabMap, shrunkenIds, type VocabMap } from './shared/vocab-map.js';
