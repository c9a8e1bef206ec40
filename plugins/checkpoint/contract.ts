/** Finding checkpoints by a run's folder, or by `latest` and `best`. */
export {
  checkpointAt,
  checkpointNames,
  findCheckpoint,
  isEmergency,
  iterationOf,
  noCheckpoint,
  pointedAt,
  pointers,
} from './stored/find.js';

/** Reading checkpoints: all of it, the JSON only, the weights a command asks for, or as a run that is set up. */
export {
  description,
  loadedTensors,
  readCheckpoint,
  readDescription,
  readManifest,
  verifyCheckpoint,
} from './stored/read.js';
export { readStored } from './stored/choose.js';
export { storedConfig } from './resume/stored-config.js';
export { openStoredRun } from './stored/open.js';
export { validationLosses } from './stored/losses.js';

/** Writing checkpoints, and copies of tensors that can be transferred to a thread. */
export { copySnapshot, copyTensors, writeCheckpoint, type SnapshotCopy } from './writing/write.js';
export type { OwnTensor } from './writing/write-files.js';
export { CheckpointMedium } from './writing/medium.js';
export { rotatedOut, type Rotation } from './writing/rotate.js';

/** The safetensors format. */
export { readSafetensors, readSafetensorsHeader } from './safetensors/read.js';
export { writeSafetensors } from './safetensors/write.js';
export {
  folderTensors,
  hasSafetensors,
  INDEX_FILE,
  readFolderTensors,
  shardsOf,
  WEIGHTS_FILE,
  type FolderTensor,
} from './safetensors/folder.js';
