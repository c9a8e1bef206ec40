import type { z } from 'zod';
import { inject, injectable, token } from '../../../core/index.js';
import type { ShrunkenVocabulary } from './growable.js';

/** What a run will look like after some steps of a schedule, computed without running them. */
export interface PlannedRun {
  /** Values of the run's tunables, by name. */
  readonly tunables: Map<string, number>;
  /** Shape of the model (`Growable`); undefined if it cannot change. */
  architecture: unknown;
  /** How the vocabulary is served; undefined if it was never shrunken. */
  vocabulary: ShrunkenVocabulary['mode'] | undefined;
}

/** One kind of step in a scaling schedule. */
export interface Operation {
  readonly name: string;
  /** Checks the entry's `value`. */
  readonly value: z.ZodType;
  /** Does to the plan what `apply` does to the run. @throws UsageError when the step is impossible at this point */
  plan(value: unknown, run: PlannedRun): void;
  /**
   * Applies the step between iterations. If it throws, the core restores the tunables; it must undo everything else
   * itself.
   */
  apply(value: unknown, iteration: number): void | Promise<void>;
}

/** Operations of this run by name; bound by the plugin that runs the schedule. */
export const OperationsByName = token<Map<string, Operation>>('OperationsByName');

/** Registry of the operations that a schedule may name. Plugins inject it and add their own in their constructor. */
@injectable()
export class Operations {
  /** In a run without a schedule nobody reads it. */
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

/** Checks the schedule of a run; bound by the plugin that runs the schedule. */
export interface ScheduleCheck {
  /** Returns what each operation changes, one line each. @throws UsageError naming file, line and operation */
  check(): string[];
  /** Returns the names of the schedule's operations. @throws UsageError when its file cannot be read */
  operationNames(): string[];
}
export const ScheduleCheck = token<ScheduleCheck>('ScheduleCheck');
