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
export * from './contracts/operation.js';
export * from './contracts/growable.js';
export * from './contracts/inspection.js';
export * from './contracts/ranks.js';
export * from './contracts/early-gradients.js';
export * from './events/lifecycle.js';
export * from './events/payloads.js';
export * from './events/bus.js';
export * from './plugins/plugin.js';
export { MetricNames, type MetricDescription, type MetricTable } from './metrics/metrics.js';
export { RunConfig } from './config/schema.js';
export { ConfigPlaces } from './config/places.js';
export { exitCodeOf, RunControl, type Requests, type RollbackRequest } from './run/control.js';
export {
  questionSchema,
  type Compared,
  type Moment,
  type Question,
  type Values,
  type ValuesAnswer,
} from './determinism/protocol.js';
export { Sections, type SectionWatcher } from './run/sections.js';
export { listenToThreads, measureInThread, type ThreadSpan } from './run/thread-spans.js';
export { peakFlops, remeasuredPeak, showFlops } from './run/peak.js';
export { cacheFolder } from './cache-folder.js';
export { addCommand } from './package-manager.js';
export { RunState, type RunSnapshot, type RunView } from './run/state.js';
export { RandomStream, RandomStreams } from './random/streams.js';
export {
  DecaySchedule,
  decayOptions,
  schedulePlugin,
  ScheduleParts,
  WarmupSchedule,
  warmupOptions,
  type SchedulePoint,
} from './run/warmup-schedule.js';
export { Tunables, type Tunable, type TunableRange } from './run/tunables.js';
export { suggestion } from './config/nearest.js';
export { readYaml, YamlFault } from './config/yaml.js';
export { ModelGrowth } from './run/growth.js';
export { AppendFile, type AppendFileOptions } from './files/append-file.js';
export { EntryCounts } from './files/entry-counts.js';
export { homeExpanded } from './files/home.js';
export { keepLines } from './files/keep-lines.js';
export { keepParts, type FilePart } from './files/keep-parts.js';
export { makeFolder } from './files/make-folder.js';
export { removeOnExit } from './files/remove-on-exit.js';
export { launcherAlive } from './launch/launcher-alive.js';
export { retried, retriedSync } from './files/retried.js';
export { RunFolder } from './run/folder.js';
export { environment } from './run/environment.js';
export { Terminal } from './terminal.js';
export { useEngine } from './run/use-engine.js';
export { writeText, type TextChoices } from './run/write-text.js';
export { version } from './version.js';
export { decodeCorpus, readJsonFile, readTextFile } from './files/text-file.js';
export { estimateLoss, fullLoss } from './run/estimate-loss.js';
export { randomWindows, refuseShort, windowsAt, windowsIn } from './data/windows.js';
export {
  prefetchOptions,
  WindowBatches,
  windowStrategy,
  type WindowParts,
  type WindowsOf,
} from './data/window-batches.js';
export { openSharedModule, type OpenSharedModule } from './data/open-shared.js';
export { permutation } from './data/permutation.js';
export { readVocabMap, shrunkenIds, type VocabMap } from './data/vocab-map.js';
export { partName, partOfFolder, type Part } from './prepare/part.js';
export { MemoryReader } from './data/memory-reader.js';
export { decodeKnown, NO_TOKEN } from './data/decode-known.js';
export * from './ops/index.js';
export { tf } from './tf.js';
export { copySnapshot, copyTensors, writeCheckpoint, type SnapshotCopy } from './checkpoint/write.js';
export type { OwnTensor } from './checkpoint/write-files.js';
export { mergedWeight } from './checkpoint/lora.js';
export { huggingFaceGpt2 } from './checkpoint/pretrained.js';
export { checkpointNames } from './checkpoint/find.js';
export { rotateCheckpoints } from './checkpoint/rotate.js';
export { writeWhole, writeWholeSync } from './files/write-whole.js';
export { verifyCheckpoint } from './checkpoint/read.js';
export { serveInWorker } from './dashboard/serve-in-worker.js';
export { DEFAULT_HOST, DEFAULT_PORT, portNote } from './dashboard/defaults.js';
export { reportOf } from './dashboard/report.js';
export type { Dashboard } from './dashboard/serve.js';
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
