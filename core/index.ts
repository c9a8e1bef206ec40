export * from './errors.js';
export * from './logger.js';
export * from './contracts/token.js';
export * from './contracts/engine.js';
export * from './contracts/model.js';
export * from './contracts/weights.js';
export * from './contracts/optimizer.js';
export * from './contracts/learning-rate.js';
export * from './contracts/data.js';
export * from './contracts/checkpoint-store.js';
export * from './contracts/inspection.js';
export * from './contracts/ranks.js';
export * from './contracts/early-gradients.js';
export * from './events/define.js';
export * from './events/lifecycle.js';
export * from './events/bus.js';
export { EventTable, type DeclaredEvent } from './events/table.js';
export * from './plugins/plugin.js';
export { MetricNames, type MetricDescription, type MetricTable } from './metrics/metrics.js';
export { RunConfig } from './config/schema.js';
export { ConfigPlaces } from './config/places.js';
export { exitCodeOf, RunControl, type Requests, type RollbackRequest } from './run/control.js';
export { Sections, type SectionWatcher } from './run/sections.js';
export { listenToThreads, measureInThread, type ThreadSpan } from './run/thread-spans.js';
export { addCommand } from './package-manager.js';
export { RunState, type RunSnapshot, type RunView } from './run/state.js';
export { RandomStream, RandomStreams } from './random/streams.js';
export { Tunables, type Tunable, type TunableRange } from './run/tunables.js';
export { suggestion } from './config/nearest.js';
export { readYaml, YamlFault } from './config/yaml.js';
export { homeExpanded } from './files/home.js';
export { makeFolder } from './files/make-folder.js';
export { removeOnExit } from './files/remove-on-exit.js';
export { retried, retriedSync } from './files/retried.js';
export { RunFolder } from './run/folder.js';
export { Terminal } from './terminal.js';
export { useEngine } from './run/use-engine.js';
export { version } from './version.js';
export { decodeCorpus, readJsonFile, readTextFile } from './files/text-file.js';
export { tf } from './tf.js';
export { checkpointNames } from './checkpoint/find.js';
export { writeWhole, writeWholeSync } from './files/write-whole.js';
export { verifyCheckpoint } from './checkpoint/read.js';
export {
  deliver,
  exitCodeOfSignal,
  onSave,
  onStop,
  stopSignals,
  takeWaitingSave,
  type SaveSignal,
  type StopSignal,
} from './signals/signals.js';
export { accumulate } from './ops/accumulate.js';
export { dropout, dropoutFactors, type DropoutMask } from './ops/dropout.js';
export { globalNorm } from './ops/global-norm.js';
export { Attributes, KernelInputs, type CompositeKernel } from './ops/kernel.js';
