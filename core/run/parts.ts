import type { DependencyContainer } from 'tsyringe';
import type { Explained } from '../config/composed.js';
import type { CoreConfig } from '../config/schema.js';
import type { CheckpointState } from '../contracts/checkpoint-store.js';
import type { Models, TrainingLoss } from '../contracts/models.js';
import type { Ranks } from '../contracts/ranks.js';
import type { RunFolder } from '../contracts/run-folder.js';
import type { EventBus } from '../events/bus.js';
import type { Logger } from '../logger.js';
import type { RandomStreams } from '../random/streams.js';
import type { LivePlugin } from './container.js';
import type { RunControl } from './control.js';
import type { Sections } from './sections.js';
import type { RunState } from './state.js';
import type { Tunables } from './tunables.js';

/** Services of the core for a run, whichever plugins it has. */
export interface CoreServices {
  readonly bus: EventBus;
  readonly control: RunControl;
  readonly log: Logger;
  readonly random: RandomStreams;
  readonly sections: Sections;
  readonly state: RunState;
  readonly tunables: Tunables;
}

/** The parts of a run. */
export interface RunParts extends CoreServices {
  readonly config: CoreConfig;
  /** Returns every setting with its origin. */
  readonly explain: () => Explained[];
  /** The config as stored in checkpoints: plugin paths are relative to the run's folder. */
  readonly kept: Pick<CheckpointState, 'config' | 'given'>;
  readonly container: DependencyContainer;
  readonly plugins: readonly LivePlugin[];
  readonly ranks: Ranks;
  readonly folder: RunFolder;
  readonly models: Models;
  readonly trainingLoss: TrainingLoss;
  /** Floats held per trained weight besides the weight itself: its gradient and the optimizer's state. */
  readonly numbersPerTrained: number;
  /** Warns if the model may not fit in memory with this vocabulary size. @throws UsageError if it cannot */
  readonly checkMemory: (vocabSize: number) => void;
}

/** The result of training. */
export interface RunResult {
  /** `stopped`: before `train.max_iters`, or because of an error. */
  readonly status: 'done' | 'stopped';
  /** Why it stopped; empty when done. */
  readonly reasons: readonly string[];
  /** Exit code of the command: 0, 128 + the signal's number, or 1 if something is wrong. */
  readonly exitCode: number;
  /** Iterations done. */
  readonly iteration: number;
  /** Loss of the last iteration and of the last evaluation in nats; null if this process made none. */
  readonly losses: { readonly train: number | null; readonly val: number | null };
  /** Folders of the checkpoint written last and of the best one; null if this process wrote none. */
  readonly checkpoints: { readonly latest: string | null; readonly best: string | null };
  /** The run's folder, absolute. */
  readonly folder: string;
}
