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
   * Called on the first rank before the snapshot of a checkpoint is taken, which `checkpoint:due` follows: what the store
   * notes of this checkpoint here is in its own `state()`.
   */
  prepare?(kinds: readonly CheckpointKind[]): void | Promise<void>;
  /** Resolves when everything requested so far is written; a failure is logged. */
  written(): Promise<void>;
  /** The same for the end of the run: the core calls it before `run:end`. @throws when the newest was not written */
  finish(): Promise<void>;
  /**
   * The checkpoint to go back to: whole, and with finite numbers. What is passed over is logged.
   *
   * `latest` is the newest taken on schedule, not because of a signal or a stop: it is the same whether the run was
   * interrupted or not. In place of a pinned one that could not be written, the owner's previous pin is used.
   * @returns undefined if there is none
   */
  target(to: 'latest' | number): Promise<LoadedCheckpoint | undefined>;
  /** Keeps the checkpoint of an iteration, written or not yet, until the same owner pins another; undefined unpins. */
  pin(owner: string, iteration: number | undefined): void;
  /** Size in bytes of one checkpoint with this many weights, and how many are kept. */
  expected(parameters: number): { bytes: number; kept: number };
}
export const CheckpointStore = token<CheckpointStore>('CheckpointStore');
