import { z } from 'zod';
import type { RunView } from '../../../core/index.js';

const countsSchema = z.record(z.string(), z.int().min(0));
type Counts = z.output<typeof countsSchema>;
/** Some entries hang on the clock: how many there are tells nothing of the run, as `identity` says. */
const stateSchema = z.strictObject({ identity: countsSchema });
/** `run-log`'s had the counts alone. */
const restoredSchema = z.union([stateSchema, countsSchema.transform((identity) => ({ identity }))]);

/**
 * Of a sink that writes entries of iterations to files: which of them a run keeps that goes on from a checkpoint. Those
 * of later iterations come again. So do those that the checkpoint's own iteration got after it was taken, where its
 * evaluation was still to come (`RunState.owesEvaluation`) and the process was killed after that: for these it counts.
 */
export class EntryCounts {
  #iteration = -1;
  #counts: Counts = {};
  #restored: Counts | undefined;

  constructor(private readonly run: RunView) {}

  /** An entry of an iteration was written to a file, or to what else is counted by itself. */
  add(file: string, iteration: number): void {
    if (iteration < this.#iteration) return;
    if (iteration > this.#iteration) [this.#iteration, this.#counts] = [iteration, {}];
    this.#counts[file] = (this.#counts[file] ?? 0) + 1;
  }

  /** For the plugin's `state()`: nothing but where it is needed, so that a plugin can be turned on and off at a resume. */
  state(): z.output<typeof stateSchema> | undefined {
    if (!this.run.owesEvaluation) return undefined;
    return { identity: this.#iteration === this.run.iteration ? { ...this.#counts } : {} };
  }

  /** For the plugin's `restore()`. */
  restore(state: unknown): void {
    this.#restored = state === undefined ? undefined : restoredSchema.parse(state).identity;
  }

  /**
   * The run goes on at an iteration. What a file keeps of that one is counted.
   * @returns of a file, what says of each entry in order, by its iteration, whether it is kept
   */
  goOnAt(iteration: number): (file: string) => (of: number) => boolean {
    const restored = this.#restored;
    this.#restored = undefined;
    [this.#iteration, this.#counts] = [iteration, {}];
    return (file) => {
      let left = restored === undefined ? Infinity : (restored[file] ?? 0);
      return (of) => {
        if (of !== iteration) return of < iteration;
        if (left-- <= 0) return false;
        this.add(file, of);
        return true;
      };
    };
  }
}
