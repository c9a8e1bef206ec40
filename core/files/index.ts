export { flushFile, flushFolder } from './flush.js';
export { makeFolder } from './make-folder.js';
export { retried, retriedSync } from './retried.js';
export { removeUnfinished, unfinishedBeside, writeWhole, writeWholeSync } from './write-whole.js';
export { resolveFrom } from '../paths.js';
export { fileKind, KIND_BYTES, type FileKind } from './file-kind.js';
export {
  markLength,
  withoutMarks,
  CONVERT_ADVICE,
  firstInvalid,
  shownByte,
  readJsonFile,
  NotText,
  readTextFile,
} from './text-file.js';
export { removeOnExit } from './remove-on-exit.js';
