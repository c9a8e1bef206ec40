import type { Tensor } from '@tensorflow/tfjs-core';
import type { Batch, Split } from '../contracts/data.js';
import type { CheckpointKind, Snapshot } from '../contracts/checkpoint-store.js';
import type { Requests } from '../run/control.js';
import type { RunView } from '../run/state.js';

export interface RunSetup {
  readonly runDir: string;
}
export interface RunStart {
  readonly state: RunView;
  readonly maxIters: number;
  /** Folder of the checkpoint the run goes on from, where it does. */
  readonly resumedFrom: string | undefined;
  /** Iterations that the run of that checkpoint was to end at. */
  readonly maxItersBefore?: number | undefined;
}
export interface IterationStart {
  readonly iteration: number;
  readonly learningRate: number;
}
export interface BatchReady {
  readonly iteration: number;
  readonly microBatch: number;
  batch: Batch;
}
export interface MicroBatchEnd {
  readonly iteration: number;
  readonly microBatch: number;
}
export interface GradientsReady {
  readonly iteration: number;
  gradients: Map<string, Tensor>;
}
export interface StepReady {
  readonly iteration: number;
  /** Mean training loss over the iteration's counted targets, of all micro-batches and ranks, in nats. */
  readonly loss: number;
  /** Global norm of the gradients before clipping. */
  readonly gradNorm: number;
  /** As the optimizer will get them. */
  readonly gradients: ReadonlyMap<string, Tensor>;
  /** A reason to leave the step out: weights and optimizer stay as they are, the iteration counts. */
  skip?: string | undefined;
}
export interface IterationEnd {
  /** The iteration that ended, from 0. */
  readonly iteration: number;
  readonly maxIters: number;
  /** Mean training loss over its counted targets, of all micro-batches and ranks, in nats; NaN without any. */
  readonly loss: number;
  /** Targets that are not -1, of all micro-batches and ranks. Without any, there was no gradient and no step. */
  readonly targets: number;
  /** Global norm of the gradients before clipping. */
  readonly gradNorm: number;
  readonly learningRate: number;
  /** Training tokens seen so far, this iteration's included. */
  readonly tokens: number;
  /** Why the optimizer's step was left out, where it was. */
  readonly skipped?: string | undefined;
}
export interface RequestsReady {
  /** Iterations done. */
  readonly iteration: number;
  /** What plugins asked for since the last time, which will be served. */
  requests: Requests;
}
export interface EvaluationDue {
  /** Iterations done. */
  readonly iteration: number;
}
export interface EvaluationStart {
  readonly iteration: number;
}
export interface EvaluationBatch {
  readonly iteration: number;
  readonly split: Split;
  /** Batches, of this rank. */
  readonly done: number;
  readonly of: number;
}
export interface EvaluationEnd {
  readonly iteration: number;
  /** Mean loss of each split, in nats. */
  readonly losses: Readonly<Record<Split, number>>;
}
export interface CheckpointDue {
  readonly kinds: readonly CheckpointKind[];
  readonly snapshot: Snapshot;
  /** A reason to leave it out: what it would hold is of no use. */
  skip?: string | undefined;
}
export interface CheckpointSaved {
  readonly iteration: number;
  readonly path: string;
  readonly kind: CheckpointKind;
  /** How long training stood still for it (copying, and waiting for the one before), in milliseconds. */
  readonly pauseMs: number;
  /** How long the writing took beside it, in milliseconds. */
  readonly writeMs: number;
}
export interface CheckpointFailed {
  /** Iterations done when it was taken. */
  readonly iteration: number;
  readonly message: string;
}
/** The run, or its model alone, is what it was in one of its checkpoints. */
export interface RunRollback {
  /** `model`: the weights and the optimizer's state alone; the run stands where it stood. */
  readonly what: 'run' | 'model';
  /** Iterations done before. */
  readonly from: number;
  /** Iterations done in the checkpoint; of a `run`, those that are done now. */
  readonly to: number;
  /** The checkpoint's folder. */
  readonly path: string;
  readonly reason: string;
  readonly state: RunView;
}
export interface Metrics {
  readonly iteration: number;
  /** By metric name, e.g. `train/loss`. */
  readonly values: Readonly<Record<string, number>>;
  /** Training tokens seen by that iteration, where training has gone on since. */
  readonly tokens?: number;
}
/** A text that the model wrote. */
export interface Sample {
  /** Iterations done. */
  readonly iteration: number;
  readonly prompt: string;
  /** What the model wrote after the prompt. */
  readonly text: string;
}
/** How the elements of a tensor are spread. */
export interface Histogram {
  /** Iterations done. */
  readonly iteration: number;
  /** Such as `weights/transformer.h.0.attn.c_attn.weight` or `gradients/…`. */
  readonly name: string;
  /** [buckets + 1], ascending. */
  readonly edges: readonly number[];
  /** [buckets]: elements from one edge up to the next. */
  readonly counts: readonly number[];
  readonly sum: number;
  readonly sumOfSquares: number;
}
/** Something happened to an operation of a schedule. */
export interface OperationEvent {
  /** Iterations done. */
  readonly iteration: number;
  readonly name: string;
  readonly value: unknown;
  readonly outcome: 'start' | 'success' | 'error' | 'reevaluation';
  /** What went wrong, or the validation loss that was measured again. */
  readonly message?: string | undefined;
  /** The whole schedule as it stands. */
  readonly schedule: readonly {
    readonly name: string;
    readonly value: unknown;
    readonly completed: boolean;
    readonly desc?: string | undefined;
  }[];
}
export interface TrainingEnd {
  /** Iterations done. */
  readonly iteration: number;
}
export interface RunEnd {
  readonly status: 'done' | 'stopped' | 'failed';
  readonly state: RunView;
  /** Why it stopped or failed; empty when done. */
  readonly reasons: readonly string[];
}
