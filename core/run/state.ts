/** Which checkpoint of a run one is. */
export type CheckpointKind = 'latest' | 'best' | 'emergency';

/** A plugin ended the run. */
export interface RunEnding {
  readonly reason: string;
  /** Its name; null where nothing says which it was. */
  readonly plugin: string | null;
}

/** Where a run stands. Written by the core alone; plugins read it. */
export interface RunSnapshot {
  /** Iterations done; the next one has this number. */
  iteration: number;
  /** Training tokens seen. */
  tokens: number;
  /** Lowest validation loss so far, in nats; null before the first evaluation. */
  bestValLoss: number | null;
  /** Validation loss of the weights as they are, in nats; null where it was not measured. Early checkpoints lack it. */
  valLoss?: number | null | undefined;
  /**
   * Metrics that decide something, of the weights as they are; missing where they were not measured since the last step.
   * Early checkpoints lack it.
   */
  measured?: Readonly<Record<string, number>> | undefined;
  /** An evaluation was asked for and is still to be made, since the run was stopped before or in the middle of it. */
  owesEvaluation: boolean;
  /** Checkpoints that were asked for at the place of that evaluation: they are taken after it. */
  owesCheckpoints: readonly CheckpointKind[];
  /** Why no more iterations follow, though `train.max_iters` is not reached; null while they do. */
  ending: RunEnding | null;
}

/** The run's position, as plugins see it. */
export type RunView = Readonly<RunSnapshot>;

export class RunState implements RunSnapshot {
  iteration = 0;
  tokens = 0;
  bestValLoss: number | null = null;
  valLoss: number | null = null;
  measured: Readonly<Record<string, number>> = {};
  owesEvaluation = false;
  owesCheckpoints: readonly CheckpointKind[] = [];
  ending: RunEnding | null = null;

  snapshot(): RunSnapshot {
    const { iteration, tokens, bestValLoss, valLoss, measured, owesEvaluation, owesCheckpoints, ending } = this;
    return { iteration, tokens, bestValLoss, valLoss, measured, owesEvaluation, owesCheckpoints, ending };
  }

  /** What is known of the weights: those of `from`, or of ones that nobody has measured. */
  measuredAs({ valLoss = null, measured = {} }: Partial<RunSnapshot>): void {
    this.valLoss = valLoss;
    this.measured = measured;
  }

  restore(from: RunSnapshot): void {
    this.iteration = from.iteration;
    this.tokens = from.tokens;
    this.bestValLoss = from.bestValLoss;
    this.measuredAs(from);
    this.owesEvaluation = from.owesEvaluation;
    this.owesCheckpoints = from.owesCheckpoints;
    this.ending = from.ending;
  }
}
