export { MemoryCheckpoints } from './run/checkpoints.js';
export { TestProcess } from './run/process.js';
export { EventRecorder, type RecordedEvent } from './run/recorder.js';
export { testRun, TestRun, type LogLine, type TestRunOptions } from './run/test-run.js';
export { TextInMemory } from './run/text.js';
export {
  listenerThrows,
  nanGradients,
  onceAt,
  signalArrives,
  writeFails,
  type Fault,
  type Moment,
} from './checks/faults.js';
export { assertDeclaredMetrics, assertNoLeaks } from './checks/hygiene.js';
export { assertTwoRanks, testRanks, trainTogether } from './checks/ranks.js';
export { assertResumes, assertRollsBack, outcome, outcomeInParts } from './checks/resume.js';
export { assertSame, outcomeOf, type Outcome } from './checks/same.js';
export { TestClock } from './run/clock.js';
export { memoryRanks } from './run/ranks.js';
