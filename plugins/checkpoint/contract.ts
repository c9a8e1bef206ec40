export { validationLosses } from './reading/losses.js';
export { rotateCheckpoints } from './writing/rotate.js';
export type { OwnTensor } from './writing/write-files.js';
export { copySnapshot, copyTensors, writeCheckpoint, type SnapshotCopy } from './writing/write.js';
export { CheckpointMedium } from './writing/medium.js';
export { rotatedOut, type Rotation } from './writing/rotate.js';
