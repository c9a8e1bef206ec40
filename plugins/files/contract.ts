/** Atomic writes, folders, and how to cope with disks and other programs. Loads nothing else. */
export { flushFile, flushFolder } from './writing/flush.js';
export { makeFolder } from './writing/make-folder.js';
export { removeOnExit } from './writing/remove-on-exit.js';
export { retried, retriedSync } from './writing/retried.js';
export { removeUnfinished, unfinishedBeside, writeWhole, writeWholeSync } from './writing/write-whole.js';
/** Reading text that a user may have written, and recognising files that are not text. */
export { fileKind, KIND_BYTES, type FileKind } from './reading/file-kind.js';
export {
  CONVERT_ADVICE,
  decodeCorpus,
  firstInvalid,
  markLength,
  NotText,
  readJsonFile,
  readTextFile,
  shownByte,
  withoutMarks,
} from './reading/text-file.js';
export { homeExpanded, resolveFrom } from '../../core/paths.js';
