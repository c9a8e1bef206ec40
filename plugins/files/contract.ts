/** Files that are there whole or not at all, folders, and what a disk and other programs do to them. It loads nothing else. */
export { flushFile, flushFolder } from './writing/flush.js';
export { makeFolder } from './writing/make-folder.js';
export { removeOnExit } from './writing/remove-on-exit.js';
export { retried, retriedSync } from './writing/retried.js';
export { removeUnfinished, unfinishedBeside, writeWhole, writeWholeSync } from './writing/write-whole.js';
/** Text that a user may have written, and what a file is that is none. */
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
