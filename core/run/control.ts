import type { CheckpointKind } from '../contracts/checkpoint-store.js';

/**
 * How plugins ask the run for something. Requests add up, nobody can take another's back,
 * and they are served at the next iteration boundary.
 */
export class RunControl {
  readonly #stops: string[] = [];
  readonly #checkpoints = new Set<CheckpointKind>();
  #evaluation = false;
  #exitCode = 0;

  /** Ends the run after the current iteration. `exitCode` is what the command exits with (128 + signal number). */
  requestStop(reason: string, exitCode = 0): void {
    this.#stops.push(reason);
    if (this.#exitCode === 0) this.#exitCode = exitCode;
  }

  /** Asks for `evaluation:due` at the boundary. */
  requestEvaluation(): void {
    this.#evaluation = true;
  }

  /** Asks for `checkpoint:due` at the boundary, after every listener of the current event has run. */
  requestCheckpoint(kind: CheckpointKind): void {
    this.#checkpoints.add(kind);
  }

  /** Reasons to stop, in the order they were given; long work looks here too. */
  get stopReasons(): readonly string[] {
    return this.#stops;
  }

  get exitCode(): number {
    return this.#exitCode;
  }

  /** For the loop: true once after each request. */
  takeEvaluation(): boolean {
    const asked = this.#evaluation;
    this.#evaluation = false;
    return asked;
  }

  /** For the loop: the kinds asked for since the last call. */
  takeCheckpoints(): CheckpointKind[] {
    const kinds = [...this.#checkpoints];
    this.#checkpoints.clear();
    return kinds;
  }
}
