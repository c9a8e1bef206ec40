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

/** What the core gives a run, whichever plugins it has. */
export interface CoreServices {
  readonly bus: EventBus;
  readonly control: RunControl;
  readonly log: Logger;
  readonly random: RandomStreams;
  readonly sections: Sections;
  readonly state: RunState;
  readonly tunables: Tunables;
}

/** What a run is made of. */
export interface RunParts extends CoreServices {
  readonly config: CoreConfig;
  /** Every setting with its origin. */
  readonly explain: () => Explained[];
  /** The config as checkpoints keep it: paths of plugins are relative to the run's folder. */
  readonly kept: Pick<CheckpointState, 'config' | 'given'>;
  readonly container: DependencyContainer;
  readonly plugins: readonly LivePlugin[];
  readonly ranks: Ranks;
  readonly folder: RunFolder;
  readonly models: Models;
  readonly trainingLoss: TrainingLoss;
  /** Numbers that training holds for each trained weight besides the weight: a gradient, and the optimizer's. */
  readonly numbersPerTrained: number;
  /** Warns of a model that may not fit, with the size of the vocabulary. @throws UsageError where it cannot */
  readonly checkMemory: (vocabSize: number) => void;
}

/** What came of training. */
export interface RunResult {
  /** `stopped`: before `train.max_iters`, or with something wrong. */
  readonly status: 'done' | 'stopped';
  /** Why it stopped; empty when done. */
  readonly reasons: readonly string[];
  /** What the command exits with: 0, 128 + the signal's number, or 1 where something is wrong. */
  readonly exitCode: number;
  /** Iterations done. */
  readonly iteration: number;
  /** In nats: of the last iteration's batches, and of the last evaluation; null where this process made none. */
  readonly losses: { readonly train: number | null; readonly val: number | null };
  /** Folders of the checkpoint that was written last, and of the best; null where this process wrote none. */
  readonly checkpoints: { readonly latest: string | null; readonly best: string | null };
  /** The run's folder, absolute. */
  readonly folder: string;
}
