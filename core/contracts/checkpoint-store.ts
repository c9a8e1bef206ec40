import type { Tensor } from '@tensorflow/tfjs-core';
import type { Given } from '../config/composed.js';
import type { CheckpointKind, RunSnapshot } from '../run/state.js';
import type { ChangedTunable } from '../run/tunables.js';
import type { TokenizerState } from './data.js';
import type { OptimizerState } from './optimizer.js';
import { token } from './token.js';

/** Everything a run needs to resume from this moment. Tensors are live: copy them before the next step. */
export interface Snapshot {
  weights: ReadonlyMap<string, Tensor>;
  optimizer: OptimizerState;
  /** What each plugin's `stateTensors()` returned, by plugin name. */
  plugins: ReadonlyMap<string, ReadonlyMap<string, StoredTensor>>;
  /** Hugging Face's `config.json`. */
  model: Record<string, unknown>;
  state: RunFacts;
}

/** The JSON side of a checkpoint (`state.json`). */
export interface CheckpointState extends RunFacts {
  /** Version of the checkpoint format. */
  format: number;
}

/** Where a run is, without its tensors. */
export interface RunFacts {
  espalier: string;
  run: RunSnapshot;
  /** Counter of every named random stream. */
  random: Record<string, number>;
  seed: number;
  /** Tunables that differ from the config, by name. */
  tunables: Record<string, ChangedTunable>;
  /** What each plugin's `state()` returned, by plugin name. */
  plugins: Record<string, PluginState>;
  /** State of the tokenizer that the data was made with; null if there is none. */
  tokenizer: TokenizerState | null;
  /** Engine, variant, precision and threads that computed it; early checkpoints of format 2 lack it. */
  engine?: string | undefined;
  /** Number of ranks that trained together; 1 when missing. */
  ranks?: number | undefined;
  /** By rank: the state that differs from rank 0's; missing if nothing does. */
  others?: Record<string, RankState> | undefined;
  /** The composed config, as `config.yaml` holds it. */
  config: Record<string, unknown>;
  /**
   * Path from the run's folder to the working folder of the run. Paths of plugins in `config` are relative to the run's
   * folder, all others to the working folder; in checkpoints without `cwd`, all are relative to the working folder.
   */
  cwd?: string | undefined;
  /** What each preset and config file gave: when the run resumes, this shows what has changed. */
  given: Given;
}

/** Random streams and plugins' states of one rank: only those that differ from rank 0's. */
export interface RankState {
  random: Record<string, number>;
  plugins: Record<string, PluginState>;
}

export interface PluginState {
  /** `stateVersion` of the plugin that wrote it. */
  version: number;
  /** Missing if the plugin keeps only tensors. */
  state?: unknown;
}

/** A checkpoint as it is read back: plain arrays, no tensors. */
export interface LoadedCheckpoint {
  path: string;
  weights: ReadonlyMap<string, StoredTensor>;
  optimizer: { tensors: ReadonlyMap<string, StoredTensor>; scalars: Record<string, number> };
  plugins: ReadonlyMap<string, ReadonlyMap<string, StoredTensor>>;
  model: Record<string, unknown>;
  state: CheckpointState;
}
export interface StoredTensor {
  shape: number[];
  values: Float32Array | Int32Array;
}

/** Writes checkpoints in the background, and reads them back. */
export interface CheckpointStore {
  /**
   * Called on the first rank before a checkpoint's snapshot is taken and before `checkpoint:due`, so that what the
   * store records about this checkpoint is in its own `state()`.
   */
  prepare?(kinds: readonly CheckpointKind[]): void | Promise<void>;
  /** Resolves when everything requested so far is written; a failure is logged. */
  written(): Promise<void>;
  /** Like `written`; the core calls it before `run:end`. @throws if the newest checkpoint was not written */
  finish(): Promise<void>;
  /**
   * Returns the checkpoint to roll back to: complete, with finite numbers. Logs each one that it rejects.
   *
   * `latest` is the newest that was taken on schedule, not because of a signal or a stop, so it is the same for an
   * interrupted and an uninterrupted run. If a pinned checkpoint could not be written, its owner's previous pin is
   * used.
   * @returns undefined if there is no such checkpoint
   */
  target(to: 'latest' | number): Promise<LoadedCheckpoint | undefined>;
  /** Keeps an iteration's checkpoint, written or pending, until the same owner pins another; undefined unpins. */
  pin(owner: string, iteration: number | undefined): void;
  /** Returns the size in bytes of a checkpoint with this many weights, and how many checkpoints are kept. */
  expected(parameters: number): { bytes: number; kept: number };
}
export const CheckpointStore = token<CheckpointStore>('CheckpointStore');
