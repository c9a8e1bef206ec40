import type { Tensor } from '@tensorflow/tfjs-core';
import type { DropoutMask } from './model.js';
import { token } from './token.js';

/** What an engine plugin's static `probe()` answers: whether it works on this machine. */
export interface EngineProbe {
  works: boolean;
  /** Version and variant, for `espalier doctor`. */
  detail: string;
  /** What `precision: auto` is here, where there is a choice. */
  autoPrecision?: 'f32' | 'bf16';
  /** It computes on a GPU: `engine: auto` takes it before those that do not. */
  gpu?: boolean;
  /** When it does not work: what is wrong and what to do, in a sentence. */
  why?: string;
}

/**
 * Called by a function on its way: it names where it stands, and may hand over a tensor that is complete there, which
 * neither it reads later nor is among its outputs.
 */
export type Mark = (what: string, complete?: Tensor) => void;

/** Kernels that have run once and can be run again, without the JavaScript that called them one by one. */
export interface KernelRecording {
  /**
   * Runs them over other inputs, and over what the tensors that they read beside those hold now.
   * @param inputs of the shapes that were recorded, int32
   * @param masks whose keys are used in place of those that were recorded
   * @param onMark called where the recorded function called `mark`, with a new tensor in place of the one of then
   * @returns the outputs, new tensors each time; undefined where a tensor that they read is gone, or something watches kernels
   */
  run(inputs: readonly Int32Array[], masks: readonly DropoutMask[], onMark: Mark): Tensor[] | undefined;
  /** Optional. It is not run any more: memory that it keeps for that can go. */
  end?(): void;
}

export interface RecordedKernels {
  readonly outputs: Tensor[];
  /** Undefined where running the kernels again would not be doing what the function does. */
  readonly recording: KernelRecording | undefined;
}

/**
 * Makes a TensorFlow.js backend available to the run.
 * The plugin registers the backend and makes it ready in `run:setup`; the core then
 * keeps it current around every listener and every step of the run.
 */
export interface Engine {
  /** The name a config uses: `wasm`, `cpu`, `tensorflow`, … */
  readonly name: string;
  /** Name of the tfjs backend to make current. */
  readonly backend: string;
  /** The values of the config's `precision`, beside `auto`, that it computes in; f32 alone when not given. */
  readonly precisions?: readonly ('f32' | 'bf16')[];
  /** One line for the log: version, threads. */
  readonly description: string;
  /**
   * Optional. Calls a function, and notes the kernels that it runs.
   * @param inputs int32 tensors that it reads
   * @param masks dropout masks that it uses
   * @param compute runs the same kernels, with the same attributes but for the masks' keys, whatever is in the tensors;
   *   its outputs and what it hands over are float32
   * @param onMark called where it calls `mark`; its kernels are not noted
   */
  record?(
    inputs: readonly Tensor[],
    masks: readonly DropoutMask[],
    compute: (mark: Mark) => Tensor[],
    onMark: Mark,
  ): RecordedKernels;
}
export const Engine = token<Engine>('Engine');
