import type { CheckpointKind } from '../contracts/checkpoint-store.js';

/** What plugins asked the run for since the last boundary. */
export interface Requests {
  /** Reasons to stop, in the order they were given. */
  readonly stops: readonly string[];
  /** What the command exits with when it stops (128 + signal number); 0 where no request says. */
  readonly exitCode: number;
  readonly evaluation: boolean;
  readonly checkpoints: readonly CheckpointKind[];
}

const NOTHING: Requests = { stops: [], exitCode: 0, evaluation: false, checkpoints: [] };

/**
 * How plugins ask the run for something. Requests add up, nobody can take another's back,
 * and they are served at the next iteration boundary.
 */
export class RunControl {
  /** Since the loop last looked. */
  #asked = NOTHING;
  /** What the loop serves: where several ranks train, what they agreed on. */
  #granted = NOTHING;

  /** Ends the run after the current iteration. `exitCode` is what the command exits with (128 + signal number). */
  requestStop(reason: string, exitCode = 0): void {
    this.#asked = joined(this.#asked, { ...NOTHING, stops: [reason], exitCode });
  }

  /** Asks for `evaluation:due` at the boundary. */
  requestEvaluation(): void {
    this.#asked = { ...this.#asked, evaluation: true };
  }

  /** Asks for `checkpoint:due` at the boundary, after every listener of the current event has run. */
  requestCheckpoint(kind: CheckpointKind): void {
    this.#asked = joined(this.#asked, { ...NOTHING, checkpoints: [kind] });
  }

  /** Reasons to stop, in the order they were given; long work looks here too. */
  get stopReasons(): readonly string[] {
    return [...this.#granted.stops, ...this.#asked.stops];
  }

  get exitCode(): number {
    return this.#granted.exitCode;
  }

  /** For the loop: true when it is to end. */
  get stopping(): boolean {
    return this.#granted.stops.length > 0;
  }

  /** For the loop: what was asked for since the last call. */
  takeRequests(): Requests {
    const asked = this.#asked;
    this.#asked = NOTHING;
    return asked;
  }

  /** For the loop: these are to be served. */
  grant(requests: Requests): void {
    this.#granted = joined(this.#granted, requests);
  }

  /** For the loop: true once after each request that was granted. */
  takeEvaluation(): boolean {
    const { evaluation } = this.#granted;
    this.#granted = { ...this.#granted, evaluation: false };
    return evaluation;
  }

  /** For the loop: the kinds that were granted since the last call. */
  takeCheckpoints(): readonly CheckpointKind[] {
    const { checkpoints } = this.#granted;
    this.#granted = { ...this.#granted, checkpoints: [] };
    return checkpoints;
  }
}

/** Both; the first exit code that is none of 0 counts. */
function joined(before: Requests, more: Requests): Requests {
  return {
    stops: [...before.stops, ...more.stops],
    exitCode: before.exitCode === 0 ? more.exitCode : before.exitCode,
    evaluation: before.evaluation || more.evaluation,
    checkpoints: [...new Set([...before.checkpoints, ...more.checkpoints])],
  };
}
