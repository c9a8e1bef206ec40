import { token } from './token.js';

/** What an engine plugin's static `probe()` answers: whether it works on this machine. */
export interface EngineProbe {
  works: boolean;
  /** Version and variant, for `espalier doctor`. */
  detail: string;
  /** When it does not work: what is wrong and what to do, in a sentence. */
  why?: string;
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
}
export const Engine = token<Engine>('Engine');
