export {
  checkpointAt,
  checkpointNames,
  findCheckpoint,
  noCheckpoint,
  pointedAt,
  pointers,
  isEmergency,
  iterationOf,
} from './checkpoint/find.js';
export {
  readCheckpoint,
  readDescription,
  readManifest,
  description,
  loadedTensors,
  verifyCheckpoint,
  pluginTensorName,
  SCALAR_PREFIX,
} from './checkpoint/read.js';
export { lockFolder, isInUse } from './run/lock.js';
export { isCheckpointFolder, removeCheckpoint } from './checkpoint/remove.js';
export {
  CHECKPOINT_FORMAT,
  compareFiles,
  hashOf,
  PLUGIN_TENSORS,
  REPLACED,
  WRITING,
  type FileFacts,
} from './checkpoint/files.js';
export { type TokenizerChoice, TokenizersByName } from './run/tokenizers.js';
export { makeRun, makeRunFrom } from './run/make.js';
export { composeStored } from './config/load.js';
export { otherNames, type SettingCalled } from './config/other-names.js';
export { findPlugin } from './plugins/resolve.js';
export { brokenEngines, isOnGpu, probeEngines, shortName, showPrecision } from './run/engine.js';
export { openStoredRun } from './cli/stored-run.js';
export { evaluationOfRank, rowsOfRank } from './run/rank-rows.js';
export { checkBatch } from './run/checks.js';
export { countedTargets } from './run/ignored-targets.js';
export { RepeatedPasses } from './run/repeated-passes.js';
export type { Run } from './run/run.js';
export { trainableParameters } from './run/parameters.js';
export { microBatchStep } from './run/step.js';
export { eachLeaf, isSection, valueAt } from './config/composed.js';
export { pathKey } from './config/path.js';
