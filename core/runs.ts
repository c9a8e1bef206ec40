export { type TokenizerChoice, TokenizersByName } from './run/tokenizers.js';
export { makeRun, makeRunFrom, type RunRequest } from './run/make.js';
export type { ResumeRequest, Resumption, RunStore, StartOptions } from './contracts/run-store.js';
export type { EngineChoice } from './contracts/engine-choice.js';
export { defaultRunFolder, NamedFolder, type RunFolder, type RunPlace } from './contracts/run-folder.js';
export { composeStored, composedOf } from './config/load.js';
export { otherNames, type SettingCalled } from './config/other-names.js';
export {
  builtInNames,
  findPlugin,
  findQuietly,
  knownNames,
  loadAll,
  loadBuiltIns,
  pathAdvice,
  type BrokenPlugin,
  type FoundPlugin,
} from './plugins/resolve.js';
export { evaluationOfRank, rowsOfRank } from './run/rank-rows.js';
export { checkBatch } from './run/checks.js';
export { countedTargets } from './run/ignored-targets.js';
export { RepeatedPasses } from './run/repeated-passes.js';
export type { Run, RunResult } from './run/run.js';
export type { ConfiguredPlugin } from './run/container.js';
export { microBatchStep, trainableParameters } from './run/step.js';
export {
  eachLeaf,
  isSection,
  originAt,
  showOrigin,
  valueAt,
  type ComposedConfig,
  type Given,
  type Origin,
  type Texts,
} from './config/composed.js';
export { renderLines, type Explained } from './config/explain.js';
export { toldAt } from './config/findings.js';
export { parsePath, pathKey, type ConfigPath } from './config/path.js';
export { configWithPluginPaths } from './config/plugin-paths.js';
export { describeOptions, jsonSchemaOf, propertiesOf } from './config/schema-docs.js';
export { coreSchema } from './config/schema.js';
export { shortNameIn, slotKeyAt, slotKeys } from './config/slot-keys.js';
export { merge, treeOf } from './config/tree.js';
