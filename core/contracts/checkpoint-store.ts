import type { Tensor } from '@tensorflow/tfjs-core';
import type { Given } from '../config/composed.js';
import type { RunSnapshot } from '../run/state.js';
import type { ChangedTunable } from '../run/tunables.js';
import type { TokenizerState } from './data.js';
import type { OptimizerState } from './optimizer.js';
import { token } from './token.js';

/** Everything a run needs to go on, of one moment. Tensors are live: copy before the next step. */
export interface Snapshot {
  weights: ReadonlyMap<string, Tensor>;
  optimizer: OptimizerState;
  /** What each plugin's `stateTensors()` returned, by plugin name. */
  plugins: ReadonlyMap<string, ReadonlyMap<string, StoredTensor>>;
  /** Hugging Face's `config.json`. */
  model: Record<string, unknown>;
  state: CheckpointState;
}

/** The JSON side of a checkpoint (`state.json`). */
export interface CheckpointState {
  /** Version of the checkpoint format. */
  format: number;
  espalier: string;
  run: RunSnapshot;
  /** Counter of every named random stream. */
  random: Record<string, number>;
  seed: number;
  /** Tunables that differ from the config, by name. */
  tunables: Record<string, ChangedTunable>;
  /** What each plugin's `state()` returned, by plugin name. */
  plugins: Record<string, PluginState>;
  /** State of the tokenizer the data was made with; null where there is none. */
  tokenizer: TokenizerState | null;
  /** Engine, variant, precision and threads that it was computed with; early checkpoints of format 2 do not tell. */
  engine?: string | undefined;
  /** Ranks that trained together; one when not told. */
  ranks?: number | undefined;
  /** What is another on rank n than on rank 0, by n; nothing when not given. */
  others?: Record<string, RankState> | undefined;
  /** The composed config, as `config.yaml` holds it. */
  config: Record<string, unknown>;
  /**
   * Path from the run's folder to the one that the run was started in. Paths of plugins in `config` are relative to the
   * first, all others to the second; earlier checkpoints do not tell, and have all relative to the second.
   */
  cwd?: string | undefined;
  /** What each preset and config file gave: tells, when the run goes on, what is given anew. */
  given: Given;
}

/** Random streams and plugins' states of one rank, of those alone that are another than rank 0's. */
export interface RankState {
  random: Record<string, number>;
  plugins: Record<string, PluginState>;
}

export interface PluginState {
  /** `stateVersion` of the plugin that wrote it. */
  version: number;
  /** Missing where it keeps arrays alone. */
  state?: unknown;
}

/** What is read back: plain arrays, no tensors. */
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

/** Writes checkpoints, in the background. */
export interface CheckpointStore {
  /** Waits for what is being written, and tells of it. */
  settle(): Promise<void>;
  /** The same, called by the core before `run:end`. @throws when the newest could not be written */
  finish(): Promise<void>;
  /**
   * Iterations done in the newest checkpoint that was taken on schedule, not because a signal or a stop asked for one:
   * the same whether a run was interrupted or not. It is kept. Undefined before the first.
   */
  readonly scheduled: number | undefined;
  /** Keeps the checkpoint of that iteration, written or still to be, until the same owner pins another; none: undefined. */
  pin(owner: string, iteration: number | undefined): void;
  /**
   * Iteration of the checkpoint to use in place of a pinned one that could not be written: the one that the same owner
   * had pinned before it. Undefined where the pinned one can be used, or there is none before it.
   */
  standInFor(iteration: number): number | undefined;
  /** Names of the checkpoints, newest first. Without this and `read`, they are in the run's folder. */
  names?(): Promise<string[]>;
  /** @throws UsageError when there is no such checkpoint, or it is damaged */
  read?(name: string): Promise<LoadedCheckpoint>;
  /** Bytes that one checkpoint of these many weights takes, and how many are kept. */
  expected(parameters: number): { bytes: number; kept: number };
}
export const CheckpointStore = token<CheckpointStore>('CheckpointStore');
