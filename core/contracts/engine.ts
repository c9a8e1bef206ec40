import type { Tensor } from '@tensorflow/tfjs-core';
import type { DropoutMask } from './model.js';
import { token } from './token.js';

/** What an engine plugin's static `probe()` returns: whether it works on this machine. */
export interface EngineProbe {
  works: boolean;
  /** Version and variant, for `espalier doctor`. */
  detail: string;
  /** What `precision: auto` means on this machine, if there is a choice. */
  autoPrecision?: 'f32' | 'bf16';
  /** True if it computes on a GPU: `engine: auto` prefers it to those that do not. */
  gpu?: boolean;
  /** If it works, but `engine: auto` may not choose it yet: what to do, in one sentence. */
  advice?: string;
  /** If it does not work: what is wrong and what to do, in one sentence. */
  why?: string;
  /** True if `install` makes it work with what is on this machine, without downloads: `doctor --fix` calls it. */
  installable?: boolean;
}

/**
 * Called by a recorded function to name a point in it, and optionally to hand over a tensor that is complete there. The
 * function does not read or return that tensor afterwards.
 */
export type Mark = (what: string, complete?: Tensor) => void;

/** Kernels that ran once and can be run again, without the JavaScript that called them one by one. */
export interface KernelRecording {
  /**
   * Runs the kernels on other inputs; all other tensors that they read have their current values.
   * @param inputs int32 or float32, of the recorded types and shapes
   * @param masks their keys replace the recorded ones
   * @param onMark called where the recorded function called `mark`, with a new tensor in place of the recorded one
   * @returns new output tensors; undefined if a tensor that the kernels read was disposed, or something watches kernels
   */
  run(
    inputs: readonly (Int32Array | Float32Array)[],
    masks: readonly DropoutMask[],
    onMark: Mark,
  ): Tensor[] | undefined;
  /** Optional. Frees what it holds; it must not be run again. */
  end?(): void;
}

export interface RecordedKernels {
  readonly outputs: Tensor[];
  /** Undefined if running the kernels again would not do what the function does. */
  readonly recording: KernelRecording | undefined;
}

/**
 * Makes a TensorFlow.js backend available to the run. The plugin registers the backend and makes it ready in `run:setup`;
 * the core then keeps it current around every listener and every step of the run.
 */
export interface Engine {
  /** The name a config uses: `wasm`, `cpu`, `tensorflow`, … */
  readonly name: string;
  /** Name of the tfjs backend to make current. */
  readonly backend: string;
  /** Values of the config's `precision`, besides `auto`, that it supports; only f32 when missing. */
  readonly precisions?: readonly ('f32' | 'bf16')[];
  /** One line for the log: version, threads. */
  readonly description: string;
  /**
   * Optional. True if kernels wait until something reads a result, and cost less if what they wait for is computed together:
   * an iteration then reads its losses and its norm once, after the optimizer, unless a listener needs them before.
   */
  readonly defers?: boolean;
  /**
   * Optional. Returns a float32 tensor in the memory of `values`, which nobody else may use from then on; a copy if the
   * engine cannot use that memory.
   */
  takeOver?(values: Float32Array, shape: number[]): Tensor;
  /**
   * Optional. Calls a function and records the kernels that it runs.
   * @param inputs int32 and float32 tensors that it reads
   * @param masks dropout masks that it uses
   * @param compute must run the same kernels, with the same attributes except the masks' keys, whatever the tensors hold;
   *   its outputs and the tensors that it hands over are float32
   * @param onMark called when it calls `mark`; kernels that this runs are not recorded
   */
  record?(
    inputs: readonly Tensor[],
    masks: readonly DropoutMask[],
    compute: (mark: Mark) => Tensor[],
    onMark: Mark,
  ): RecordedKernels;
}
export const Engine = token<Engine>('Engine');
