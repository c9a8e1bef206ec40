export { type TokenizerChoice, TokenizersByName } from './run/tokenizers.js';
export { composeRequest, findPretrained, makeRun, makeRunFrom, type MadeRun, type RunRequest } from './run/make.js';
export { shareEngine, type RunStart, type StartOptions, type StartRequest } from './run/start.js';
export { microBatches } from './run/micro-batches.js';
export { engineOf } from './run/engine-in-use.js';
export type { Pretrained, PretrainedModels, PretrainedWeights } from './contracts/weights.js';
export type { EngineChoice } from './config/engine-choice.js';
export { defaultRunFolder, type RunFolder, type RunFolders, type RunPlace } from './contracts/run-folder.js';
export type { CodeLayer, ComposeOptions, Configs } from './config/configs.js';
export {
  builtInNames,
  foundClass,
  loadAll,
  loadBuiltIns,
  pluginPackages,
  type BrokenPlugin,
  type FoundPlugin,
} from './families/load.js';
export { findNamed, findPlugin, findQuietly, pathAdvice } from './families/resolve.js';
export { isPluginPath, pluginPathFrom, relativePath } from './families/plugin-path.js';
export { isDeclaration } from './families/packages.js';
export { importOutside } from './families/outside.js';
export { shareOfRank } from './run/batches.js';
export type {
  CountedTargets,
  LossInParts,
  LossParts,
  Models,
  PassInputs,
  PlannedRun,
  StoredWeights,
  TakeOver,
  TrainingLoss,
  WeightTargets,
} from './contracts/models.js';
export type { RunResult } from './run/parts.js';
export type { Run } from './run/run.js';
export { boundTo, pluginOf, type ConfiguredPlugin } from './run/container.js';
export { PassReplay } from './run/pass-replay.js';
export { microBatchStep, trainableParameters } from './run/step.js';
export {
  eachLeaf,
  frozen,
  isSection,
  originAt,
  pathKey,
  showOrigin,
  Unread,
  valueAt,
  type ComposedConfig,
  type ConfigPath,
  type Explained,
  type Given,
  type Origin,
  type Settings,
  type Texts,
} from './config/composed.js';
export { failedAt, problems, withPlace, type Finding } from './config/findings.js';
export { jsonSchemaOf, propertiesOf, type JsonSchema } from './config/json-schema.js';
export { coreScalars, coreSchema } from './config/schema.js';
export { checkCore } from './config/slots.js';
export { presetFolder } from './version.js';
export { withTexts } from './config/validate.js';
export { defaultOf, shortNameIn, slotKeyAt, slotKeys, slotsWithin, type SlotKey } from './config/slot-keys.js';
