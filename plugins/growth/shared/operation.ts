import type { z } from 'zod';
import { inject, injectable, token } from '../../../core/index.js';
import type { ShrunkenVocabulary } from './growable.js';

/** What a schedule leads to, step by step, without running anything. */
export interface PlannedRun {
  /** Values of the run's tunables, by name. */
  readonly tunables: Map<string, number>;
  /** Shape of the model (`Growable`); undefined where it cannot change. */
  architecture: unknown;
  /** How the vocabulary is served; undefined where it was never shrunken. */
  vocabulary: ShrunkenVocabulary['mode'] | undefined;
}

/** One kind of step in a scaling schedule. */
export interface Operation {
  readonly name: string;
  /** Checks the entry's `value`. */
  readonly value: z.ZodType;
  /** Does to the plan what `apply` does to the run. @throws UsageError when the step is impossible there */
  plan(value: unknown, run: PlannedRun): void;
  /** Does it, between iterations. When it throws, the run's tunables are put back; it undoes all else itself. */
  apply(value: unknown, iteration: number): void | Promise<void>;
}

/** The operations of this run by name; bound by the plugin that runs its schedule. */
export const OperationsByName = token<Map<string, Operation>>('OperationsByName');

/** The operations a schedule may name: plugins inject this and add their own in their constructor. */
@injectable()
export class Operations {
  /** Of a run without a schedule, nobody reads it. */
  readonly #byName: Map<string, Operation>;

  constructor(@inject(OperationsByName, { isOptional: true }) byName = new Map<string, Operation>()) {
    this.#byName = byName;
  }

  add(operation: Operation): void {
    this.#byName.set(operation.name, operation);
  }

  get(name: string): Operation | undefined {
    return this.#byName.get(name);
  }

  names(): string[] {
    return [...this.#byName.keys()].sort();
  }
}

/** Checks the schedule of a run; bound by the plugin that runs it. */
export interface ScheduleCheck {
  /** What the schedule leads to, a line a step. @throws UsageError naming file, line and entry */
  check(): string[];
  /** Names of the operations that it holds. @throws UsageError as `check` does, of the schedule's file */
  operationNames(): string[];
}
export const ScheduleCheck = token<ScheduleCheck>('ScheduleCheck');
