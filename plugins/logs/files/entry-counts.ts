import { z } from 'zod';
import type { RunView } from '../../../core/index.js';

const countsSchema = z.record(z.string(), z.int().min(0));
type Counts = z.output<typeof countsSchema>;
/**
 * The number of entries may depend on the clock, so it is kept under `identity`, which is not compared between runs.
 */
const stateSchema = z.strictObject({ identity: countsSchema });
/** Earlier versions of `run-log` saved only the counts. */
const restoredSchema = z.union([stateSchema, countsSchema.transform((identity) => ({ identity }))]);

/**
 * Decides which entries of a sink's files a resumed run keeps. Entries of iterations after the checkpoint are written
 * again. So are entries of the checkpoint's own iteration that were written after the checkpoint, if its evaluation was
 * still to come (`RunState.owesEvaluation`); to tell these apart, the entries of each iteration are counted.
 */
export class EntryCounts {
  #iteration = -1;
  #counts: Counts = {};
  #restored: Counts | undefined;

  constructor(private readonly run: RunView) {}

  /** Counts an entry of an iteration. @param file the file, or another key to count by */
  add(file: string, iteration: number): void {
    if (iteration < this.#iteration) return;
    if (iteration > this.#iteration) [this.#iteration, this.#counts] = [iteration, {}];
    this.#counts[file] = (this.#counts[file] ?? 0) + 1;
  }

  /** For the plugin's `state()`. Undefined if not needed, so that the plugin can be turned on or off at a resume. */
  state(): z.output<typeof stateSchema> | undefined {
    if (!this.run.owesEvaluation) return undefined;
    return { identity: this.#iteration === this.run.iteration ? { ...this.#counts } : {} };
  }

  /** For the plugin's `restore()`. */
  restore(state: unknown): void {
    this.#restored = state === undefined ? undefined : restoredSchema.parse(state).identity;
  }

  /**
   * Call it when the run resumes at, or rolls back to, an iteration. Kept entries of that iteration are counted again.
   * @returns for a file, a function to call with the iteration of each entry in order, that returns whether to keep it
   */
  resumeAt(iteration: number): (file: string) => (of: number) => boolean {
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
