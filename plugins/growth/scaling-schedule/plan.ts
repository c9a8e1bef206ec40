import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { messageOf, suggestion, UsageError, type MetricNames, type Tunables } from '../../../core/index.js';
import type { Operation, Operations, PlannedRun } from '../shared/operation.js';
import type { ModelGrowth } from '../shared/model-growth.js';
import type { Entry } from './file.js';

/** What a schedule is checked against. */
interface PlanParts {
  readonly operations: Operations;
  readonly tunables: Tunables;
  readonly growth: ModelGrowth;
  readonly metrics: MetricNames;
  /** Returns where an entry is, as the start of an error message: `schedule.yaml:3: `. */
  readonly placeOf: (entry: Entry) => string;
}

/**
 * Checks a schedule by applying its operations, in order, to a plan of the run.
 * @returns a line per operation that says what it changes, and one for where the schedule ends
 * @throws UsageError naming the file, the line and the operation that is impossible
 */
export function planSchedule(entries: readonly Entry[], parts: PlanParts): string[] {
  const { tunables, growth } = parts;
  const start: PlannedRun = { tunables: tunables.values(), ...growth.initial() };
  const planned = copyOf(start);
  const lines = entries.map((entry, index) => {
    const before = copyOf(planned);
    try {
      planEntry(entry, planned, parts);
    } catch (thrown) {
      const where = `${parts.placeOf(entry)}operation ${String(index + 1)} (${entry.name})`;
      throw new UsageError('ESP_SCHEDULE_STEP', `${where}: ${messageOf(thrown)}`, { cause: thrown });
    }
    const what = `schedule ${String(index + 1)}: ${entry.name} ${JSON.stringify(entry.value)}`;
    return what + changesOf(before, planned, growth);
  });
  const end = changesOf(start, planned, growth);
  return [...lines, end === '' ? 'the schedule changes nothing in the end' : `at the end of the schedule:${end}`];
}

/** Returns the operation of a name. @throws UsageError with a suggestion when there is none */
export function operationNamed(name: string, operations: Operations): Operation {
  const operation = operations.get(name);
  if (operation !== undefined) return operation;
  throw new UsageError('ESP_SCHEDULE_STEP', `unknown operation: ${suggestion(name, operations.names(), 'operations')}`);
}

function planEntry(entry: Entry, planned: PlannedRun, { operations, metrics }: PlanParts): void {
  const operation = operationNamed(entry.name, operations);
  if (entry.trigger !== undefined) metrics.decide(entry.trigger.metric, 'trigger');
  const value = operation.value.safeParse(entry.value);
  if (!value.success) throw new UsageError('ESP_SCHEDULE_STEP', `value: ${z.prettifyError(value.error)}`);
  operation.plan(value.data, planned);
}

function copyOf(plan: PlannedRun): PlannedRun {
  return { ...plan, tunables: new Map(plan.tunables) };
}

/** Describes what differs between two plans; empty if nothing does. */
function changesOf(before: PlannedRun, after: PlannedRun, growth: ModelGrowth): string {
  const changed = [...after.tunables].filter(([name, value]) => before.tunables.get(name) !== value);
  const tunables = changed
    .map(([name, value]) => `  ${name}: ${String(before.tunables.get(name))} -> ${String(value)}`)
    .join(',');
  if (isDeepStrictEqual(before.architecture, after.architecture)) return tunables;
  const { description, parameters, trainable } = growth.facts(after.architecture);
  const count = (value: number): string => value.toLocaleString('en-US');
  return `${tunables}  model: ${description}; ${count(parameters)} parameters, ${count(trainable)} trained`;
}
