import type { CheckpointKind, RunEnding } from './state.js';

const EXIT_FAILED = 1;

/** A request to roll back to one of the run's checkpoints. */
export interface RollbackRequest {
  /** Iteration of the checkpoint; `latest`: the newest scheduled one that is complete and has only finite numbers. */
  readonly to: 'latest' | number;
  /** `run` restores everything; `model` only weights, their shape and optimizer state: the run keeps its position. */
  readonly what: 'run' | 'model';
  /**
   * For `run`: `again` (the default) serves the same data again; `skip` keeps the position of the batch source and the
   * random streams, so that other data follows.
   */
  readonly data?: 'again' | 'skip';
  /** Printed in the log and passed on in `run:rollback`. */
  readonly reason: string;
}

/** Requests of plugins since the last boundary. */
export interface Requests {
  /** Reasons to stop, oldest first. */
  readonly stops: readonly string[];
  /** Exit code of the command if the run stops (128 + signal number); 0 if no request sets one. */
  readonly exitCode: number;
  /** The first stop that ends the run for good, not only this process; null if there is none. */
  readonly ending: RunEnding | null;
  readonly evaluation: boolean;
  readonly checkpoints: readonly CheckpointKind[];
  readonly rollbacks: readonly RollbackRequest[];
}

const NOTHING: Requests = { stops: [], exitCode: 0, ending: null, evaluation: false, checkpoints: [], rollbacks: [] };

/** Takes plugins' requests. They add up, cannot be withdrawn, and are served at the next iteration boundary. */
export class RunControl {
  /** Requests since the loop last took them. */
  #asked = NOTHING;
  /** Requests that the loop serves: with several ranks, those agreed on. */
  #granted = NOTHING;

  /** @param asking returns the plugin that makes a request, if one is running */
  constructor(private readonly asking: () => string | undefined = () => undefined) {}

  /**
   * Stops after the current iteration, with an emergency checkpoint unless another is requested. With exit code 1 there
   * is no emergency checkpoint, because the weights themselves may be wrong. With exit code 0 the run has ended: its
   * checkpoint says so, and `resume: auto` does not continue it. With any other code the run was interrupted.
   * @param exitCode exit code of the command: 128 + the signal's number, or 1 if something is wrong
   */
  requestStop(reason: string, exitCode = 0): void {
    const ending = exitCode === 0 ? { reason, plugin: this.asking() ?? null } : null;
    this.#ask({ stops: [reason], exitCode, ending });
  }

  /** Stops this process like `requestStop` with exit code 0, but leaves the run to be resumed. */
  requestPause(reason: string): void {
    this.#ask({ stops: [reason] });
  }

  /** Requests `evaluation:due` at the boundary; during an evaluation, a second one at the same boundary. */
  requestEvaluation(): void {
    this.#ask({ evaluation: true });
  }

  /** Requests `checkpoint:due` at the boundary, after every listener of the current event has run. */
  requestCheckpoint(kind: CheckpointKind): void {
    this.#ask({ checkpoints: [kind] });
  }

  /** Requests a rollback, served before evaluations and checkpoints. Without that checkpoint the run stops, code 1. */
  requestRollback(request: RollbackRequest): void {
    this.#ask({ rollbacks: [request] });
  }

  /** True if the run will roll back at the boundary, which undoes the current iteration. */
  get goingBack(): boolean {
    return [...this.#asked.rollbacks, ...this.#granted.rollbacks].some(({ what }) => what === 'run');
  }

  /** Reasons to stop, oldest first; long work checks them too. */
  get stopReasons(): readonly string[] {
    return [...this.#granted.stops, ...this.#asked.stops];
  }

  get exitCode(): number {
    return this.#granted.exitCode;
  }

  /** True if a stop reports an error: a run is then not `done` even at its last iteration. */
  get failed(): boolean {
    return this.#granted.exitCode === EXIT_FAILED;
  }

  /** The request that ended the run; null if it was only interrupted, or if something is wrong. */
  get ending(): RunEnding | null {
    return this.failed ? null : this.#granted.ending;
  }

  /** For the loop: true if it must stop. */
  get stopping(): boolean {
    return this.#granted.stops.length > 0;
  }

  /** For the loop: takes the requests since the last call. */
  takeRequests(): Requests {
    const asked = this.#asked;
    this.#asked = NOTHING;
    return asked;
  }

  /** For the loop: sets the requests to serve. */
  grant(requests: Requests): void {
    this.#granted = joined(this.#granted, requests);
    const { stops, exitCode } = requests;
    if (stops.length === 0 || exitCode === EXIT_FAILED || this.#granted.checkpoints.length > 0) return;
    this.#granted = joined(this.#granted, { ...NOTHING, checkpoints: ['emergency'] });
  }

  /** For the loop: returns true once per granted request. */
  takeEvaluation(): boolean {
    const { evaluation } = this.#granted;
    this.#granted = { ...this.#granted, evaluation: false };
    return evaluation;
  }

  /** For the loop: takes the kinds granted since the last call. */
  takeCheckpoints(): readonly CheckpointKind[] {
    const { checkpoints } = this.#granted;
    this.#granted = { ...this.#granted, checkpoints: [] };
    return checkpoints;
  }

  /** For the loop: takes the next granted rollback; one of the whole run goes before those of its model. */
  takeRollback(): RollbackRequest | undefined {
    const rollbacks = [...this.#granted.rollbacks];
    const whole = rollbacks.findIndex(({ what }) => what === 'run');
    const [taken] = rollbacks.splice(Math.max(0, whole), 1);
    this.#granted = { ...this.#granted, rollbacks };
    return taken;
  }

  /** For a rollback: drops requests that were made because of the undone iterations or weights. */
  forget(request: RollbackRequest): void {
    this.#asked = without(this.#asked, request);
    this.#granted = without(this.#granted, request);
  }

  #ask(more: Partial<Requests>): void {
    this.#asked = joined(this.#asked, { ...NOTHING, ...more });
  }
}

function without(requests: Requests, { what }: RollbackRequest): Requests {
  const left = (...gone: CheckpointKind[]): CheckpointKind[] =>
    requests.checkpoints.filter((kind) => !gone.includes(kind));
  if (what === 'model') return { ...requests, checkpoints: left('best') };
  return { ...requests, checkpoints: left('best', 'latest'), evaluation: false, rollbacks: [] };
}

/**
 * With several stop reasons, the exit code is 1 if any is 1, else the first non-zero one. (A job that a signal ended
 * may be requeued; one with an error should not.)
 */
export function exitCodeOf(codes: readonly number[]): number {
  return codes.includes(EXIT_FAILED) ? EXIT_FAILED : (codes.find((code) => code !== 0) ?? 0);
}

function joined(before: Requests, more: Requests): Requests {
  return {
    stops: [...before.stops, ...more.stops],
    exitCode: exitCodeOf([before.exitCode, more.exitCode]),
    ending: before.ending ?? more.ending,
    evaluation: before.evaluation || more.evaluation,
    checkpoints: [...new Set([...before.checkpoints, ...more.checkpoints])],
    rollbacks: [...before.rollbacks, ...more.rollbacks],
  };
}
