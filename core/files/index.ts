export { readSafetensorsHeader, readSafetensors } from '../formats/safetensors.js';
export { flushFolder } from './flush.js';
export { makeFolder } from './make-folder.js';
export { retried, retriedSync } from './retried.js';
export { writeSafetensors } from '../formats/safetensors-write.js';
export { writeWholeSync, writeWhole, unfinishedBeside } from './write-whole.js';
export { foldersIn } from './folders-in.js';
export { resolveFrom } from './home.js';
export { fileKind, KIND_BYTES, type FileKind } from './file-kind.js';
export {
  markLength,
  withoutMarks,
  CONVERT_ADVICE,
  firstInvalid,
  shownByte,
  readJsonFile,
  readTextFile,
} from './text-file.js';
export { removeOnExit } from './remove-on-exit.js';
export {
  hasSafetensors,
  folderTensors,
  INDEX_FILE,
  readFolderTensors,
  WEIGHTS_FILE,
  type FolderTensor,
} from '../formats/safetensors-folder.js';
