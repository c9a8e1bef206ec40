import type { CheckpointKind, RunEnding } from './state.js';

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

/** What plugins asked the run for since the last boundary. */
export interface Requests {
  /** Reasons to stop, in the order they were given. */
  readonly stops: readonly string[];
  /** What the command exits with when it stops (128 + signal number); 0 where no request says. */
  readonly exitCode: number;
  /** The first of the stops that ends the run itself, not only this process; null without one. */
  readonly ending: RunEnding | null;
  readonly evaluation: boolean;
  readonly checkpoints: readonly CheckpointKind[];
  readonly rollbacks: readonly RollbackRequest[];
}

const NOTHING: Requests = { stops: [], exitCode: 0, ending: null, evaluation: false, checkpoints: [], rollbacks: [] };

/**
 * How plugins ask the run for something. Requests add up, nobody can take another's back,
 * and they are served at the next iteration boundary.
 */
export class RunControl {
  /** Since the loop last looked. */
  #asked = NOTHING;
  /** What the loop serves: where several ranks train, what they agreed on. */
  #granted = NOTHING;

  /** @param asking the plugin that makes a request, if one is running */
  constructor(private readonly asking: () => string | undefined = () => undefined) {}

  /**
   * Stops after the current iteration, with an emergency checkpoint where no other is asked for. None is taken for
   * you with exit code 1: what is wrong may be in the weights. With exit code 0 the run has ended: its checkpoint says
   * so, and `resume: auto` does not train it further. With another one it was interrupted.
   * @param exitCode what the command exits with: 128 + the signal's number, or 1 where something is wrong
   */
  requestStop(reason: string, exitCode = 0): void {
    const ending = exitCode === 0 ? { reason, plugin: this.asking() ?? null } : null;
    this.#ask({ stops: [reason], exitCode, ending });
  }

  /** Stops this process as `requestStop` does, with exit code 0, and leaves the run to be resumed. */
  requestPause(reason: string): void {
    this.#ask({ stops: [reason] });
  }

  /** Asks for `evaluation:due` at the boundary; from within an evaluation, for another one there. */
  requestEvaluation(): void {
    this.#ask({ evaluation: true });
  }

  /** Asks for `checkpoint:due` at the boundary, after every listener of the current event has run. */
  requestCheckpoint(kind: CheckpointKind): void {
    this.#ask({ checkpoints: [kind] });
  }

  /**
   * Asks to go back to a checkpoint at the boundary, before evaluations and checkpoints. Where that checkpoint is not
   * there, the run stops with exit code 1.
   */
  requestRollback(request: RollbackRequest): void {
    this.#ask({ rollbacks: [request] });
  }

  /** The run will go back at the boundary: the iteration that ends now is going to be undone. */
  get goingBack(): boolean {
    return [...this.#asked.rollbacks, ...this.#granted.rollbacks].some(({ what }) => what === 'run');
  }

  /** Reasons to stop, in the order they were given; long work looks here too. */
  get stopReasons(): readonly string[] {
    return [...this.#granted.stops, ...this.#asked.stops];
  }

  get exitCode(): number {
    return this.#granted.exitCode;
  }

  /** Something is wrong: a run that has reached its last iteration is not done all the same. */
  get failed(): boolean {
    return this.#granted.exitCode === EXIT_FAILED;
  }

  /** What has ended the run; null where it was only interrupted, or something is wrong. */
  get ending(): RunEnding | null {
    return this.failed ? null : this.#granted.ending;
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
    const { stops, exitCode } = requests;
    if (stops.length === 0 || exitCode === EXIT_FAILED || this.#granted.checkpoints.length > 0) return;
    this.#granted = joined(this.#granted, { ...NOTHING, checkpoints: ['emergency'] });
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

  /** For the loop: the next that was granted; that of a whole run before those of its model. */
  takeRollback(): RollbackRequest | undefined {
    const rollbacks = [...this.#granted.rollbacks];
    const whole = rollbacks.findIndex(({ what }) => what === 'run');
    const [taken] = rollbacks.splice(Math.max(0, whole), 1);
    this.#granted = { ...this.#granted, rollbacks };
    return taken;
  }

  /** For a rollback: drops what was asked for because of the iterations, or the weights, that are gone. */
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

/** Of several stops: 1 counts before a signal's, after which a job is queued again and goes on; else the first that is none of 0. */
export function exitCodeOf(codes: readonly number[]): number {
  return codes.includes(EXIT_FAILED) ? EXIT_FAILED : (codes.find((code) => code !== 0) ?? 0);
}

/** Both. */
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
