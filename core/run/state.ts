/** The kind of a checkpoint. */
export type CheckpointKind = 'latest' | 'best' | 'emergency';

/** Recorded when a plugin ends the run. */
export interface RunEnding {
  readonly reason: string;
  /** The plugin's name; null if unknown. */
  readonly plugin: string | null;
}

/** The position of a run. Only the core writes it; plugins read it. */
export interface RunSnapshot {
  /** Iterations done; the next one has this number. */
  iteration: number;
  /** Training tokens seen. */
  tokens: number;
  /** Lowest validation loss so far, in nats; null before the first evaluation. */
  bestValLoss: number | null;
  /** Validation loss of the current weights, in nats; null if not measured. Early checkpoints lack it. */
  valLoss?: number | null | undefined;
  /** Metrics of the current weights used for decisions; missing if not measured since. Early checkpoints lack it. */
  measured?: Readonly<Record<string, number>> | undefined;
  /** True if a requested evaluation is still to be made, because the run was stopped before or during it. */
  owesEvaluation: boolean;
  /** Checkpoints requested at the same boundary as that evaluation: they are taken after it. */
  owesCheckpoints: readonly CheckpointKind[];
  /** Why the run ended before `train.max_iters`; null if it did not. */
  ending: RunEnding | null;
}

/** The run's position, read-only for plugins. */
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

  /** Sets the metrics of the weights: those of `from`, or none for weights that nobody has measured. */
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
