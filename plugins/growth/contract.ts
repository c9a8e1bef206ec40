export type { OperationEvent, ScheduledOperation } from './events.js';
export { Growable, ShrunkenVocabulary, type ArchitectureFacts, type GrowthStep } from './shared/growable.js';
export { ModelGrowth } from './shared/model-growth.js';
export { Operations, OperationsByName, ScheduleCheck, type Operation, type PlannedRun } from './shared/operation.js';
