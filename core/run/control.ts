import type { CheckpointKind } from '../contracts/checkpoint-store.js';

const EXIT_FAILED = 1;

/** Asks the run to go back to one of its own checkpoints. */
export interface RollbackRequest {
  /**
   * Iterations done in it; `latest`: the newest that was taken on schedule, is whole, and whose numbers are all finite.
   */
  readonly to: 'latest' | number;
  /**
   * `run`: everything is as it was then. `model`: the weights, their shape, and the optimizer's state alone; the run
   * stands where it stood.
   */
  readonly what: 'run' | 'model';
  /**
   * Of a `run`: `again` (the default) serves the same data again; `skip` leaves the batch source and the random
   * streams where they are, so that other data follows.
   */
  readonly data?: 'again' | 'skip';
  /** For the log and `run:rollback`. */
  readonly reason: string;
}

/**
 * How plugins ask the run for something. Requests add up, nobody can take another's back,
 * and they are served at the next iteration boundary.
 */
export class RunControl {
  readonly #stops: string[] = [];
  readonly #checkpoints = new Set<CheckpointKind>();
  readonly #rollbacks: RollbackRequest[] = [];
  #evaluation = false;
  #exitCode = 0;

  /**
   * Ends the run after the current iteration.
   * @param exitCode what the command exits with: 128 + the signal's number, or 1 where something is wrong
   */
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

  /**
   * Asks to go back to a checkpoint at the boundary, before evaluations and checkpoints. Where that checkpoint is not
   * there, the run stops with exit code 1.
   */
  requestRollback(request: RollbackRequest): void {
    this.#rollbacks.push(request);
  }

  /** The run will go back at the boundary: the iteration that ends now is going to be undone. */
  get goingBack(): boolean {
    return this.#rollbacks.some(({ what }) => what === 'run');
  }

  /** Reasons to stop, in the order they were given; long work looks here too. */
  get stopReasons(): readonly string[] {
    return this.#stops;
  }

  get exitCode(): number {
    return this.#exitCode;
  }

  /** Something is wrong: a run that has reached its last iteration is not done all the same. */
  get failed(): boolean {
    return this.#exitCode === EXIT_FAILED;
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

  /** For the loop: the next one; that of a whole run before those of its model. */
  takeRollback(): RollbackRequest | undefined {
    const whole = this.#rollbacks.findIndex(({ what }) => what === 'run');
    return this.#rollbacks.splice(Math.max(0, whole), 1)[0];
  }

  /** For a rollback: drops what was asked for because of the iterations, or the weights, that are gone. */
  forget({ what }: RollbackRequest): void {
    this.#checkpoints.delete('best');
    if (what === 'model') return;
    this.#checkpoints.delete('latest');
    this.#evaluation = false;
    this.#rollbacks.length = 0;
  }
}
