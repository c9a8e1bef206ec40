import type { Scalar, Tensor, Tensor2D, Tensor3D, Variable } from '@tensorflow/tfjs-core';
import type { StoredTensor } from './checkpoint-store.js';
import { token } from './token.js';

/** The stored weight that a weight of a model is loaded from. */
export interface WeightSource {
  /** Name of the stored weight. */
  readonly stored: string;
  /**
   * Converts a stored tensor, the weight's values or one of its moments, to the weight's shape; undefined if it does not
   * fit. Without it, the shapes must be equal.
   */
  readonly fit?: (tensor: StoredTensor) => StoredTensor | undefined;
}

/** How a model finds its weights among stored ones. */
export interface WeightSources {
  /** By the model's names; weights without a source are missing. */
  readonly sources: ReadonlyMap<string, WeightSource>;
  /** Names of weights that may be missing: they keep their initial values. */
  readonly optional?: readonly string[];
  /**
   * Keys of `Model.description` that must be equal for the weights to compute the same and that no weight's shape shows,
   * such as the number of heads. Default: every key except `vocab_size` and those of dropout.
   */
  readonly decisive?: readonly string[];
}

/** Determines which elements dropout sets to 0: a function of these numbers only, the same on every engine. */
export interface DropoutMask {
  /** Share of elements set to 0, at least 0 and below 1. */
  rate: number;
  /** Two 32-bit numbers, different for every use. */
  key0: number;
  key1: number;
  /**
   * Index of the first row of `x` in the batch that it is a part of; default 0. Parts of a batch get the masks of the
   * whole batch.
   */
  firstRow?: number;
}

/** Identifies a training pass: dropout masks are a function of these numbers and the seed only. */
export interface TrainingPass {
  iteration: number;
  microBatch: number;
  /** Index of the pass's first row in the micro-batch of all ranks; default 0. */
  firstRow?: number;
  /**
   * Returns a weight as the pass must use it. If the model calls this once for each weight, when it first needs it,
   * `EarlyGradients` gets each gradient as soon as it is complete; otherwise when the pass is over.
   */
  read?: (name: string, weight: Variable) => Tensor;
}

/** Further per-token inputs of a batch, as tensors [batch, time]. */
export interface TokenInputs {
  /** int32; see `Batch.documents`. */
  readonly documents?: Tensor2D | undefined;
}

/** Outputs of a pass before its loss. */
export interface ForwardOutputs {
  /** [batch, time, vocab] */
  readonly logits: Tensor3D;
  /** Input of the output head, [batch, time, embd]. */
  readonly hidden: Tensor3D;
}

/** The operations of a pass, whatever its batch and the values of its weights. */
export interface PassOperations {
  /**
   * The same object as long as passes over batches of one shape, with the same variables as weights, run the same
   * operations with the same attributes, except the keys of `masks`.
   */
  readonly same: object;
  /** The dropout masks of the pass. */
  readonly masks: readonly DropoutMask[];
}

/** Parameters of one part of a model; tied weights are counted once. */
export interface ParameterCount {
  component: string;
  total: number;
  trainable: number;
}

/** What is known about a run before anything is created. */
export interface PlannedShape {
  /** Windows of a micro-batch. */
  batchSize: number;
  /** Number of different tokens in the data; 0 if not known yet. */
  vocabSize: number;
}

/** Lower bound of a model's memory, on any engine. */
export interface MemoryNeed {
  /** Number of parameters. */
  weights: number;
  /** Number of trained parameters: each has a gradient and, as a rule, the optimizer's moments. */
  trained: number;
  /** Bytes that a micro-batch holds between forward and backward pass. */
  activations: number;
}

export interface GenerateOptions {
  /** Number of tokens to generate. */
  maxNewTokens: number;
  /** Divides the logits; 0 always takes the most likely token. */
  temperature: number;
  /** Samples from the k most likely tokens; 0 samples from all. */
  topK: number;
  /** Samples from the fewest tokens whose probabilities, after `topK`, sum to at least this; default 1: from all. */
  topP?: number | undefined;
  /** Divides positive logits of tokens that prompt or text already have, and multiplies negative ones; default 1. */
  repetitionPenalty?: number | undefined;
  /** Returns uniform numbers in [0, 1); called once per token. */
  random: () => number;
  /** Called with each token as it is chosen. */
  onToken?: (id: number) => void;
  /** Called before each further token with the new ids so far; returning true ends the text. */
  stop?: (ids: readonly number[]) => boolean;
}

/**
 * A language model over token ids. Tensor methods are synchronous and run with the engine current;
 * what they return belongs to the caller, who disposes it (or calls inside `tf.tidy`).
 */
export interface Model {
  readonly blockSize: number;
  readonly vocabSize: number;
  /** Contents of `config.json` in checkpoints, in Hugging Face's terms if it has any; `vocab_size` is added there. */
  readonly description: Record<string, unknown>;
  /**
   * Creates the weights: called once by the core, after the engine and the data are ready. A model with `initialize`
   * may leave their values unset.
   */
  build(vocabSize: number): void;
  /**
   * Optional. Sets initial values: called after `build` and `restore` with the names of the weights that are not
   * loaded. The values do not depend on which other weights are named.
   */
  initialize?(names: Iterable<string>): void;
  /** Returns every weight by name, in a fixed order; tied weights appear once. */
  parameters(): ReadonlyMap<string, Variable>;
  /**
   * Optional. Finds the model's weights among those of a checkpoint or a pretrained model; optimizer state is matched in
   * the same way. Without it, each weight is loaded from the stored weight with its name and shape.
   */
  weightSources?(stored: ReadonlyMap<string, StoredTensor>): WeightSources;
  /** True if it supports `documents` of `TokenInputs`; otherwise batches that have documents are refused. */
  readonly takesDocuments?: boolean;
  /** `ids` [batch, time] int32 → logits [batch, time, vocab]. Dropout only when `pass` is given. */
  logits(ids: Tensor2D, pass?: TrainingPass, tokens?: TokenInputs): Tensor3D;
  /** Optional. Returns the logits and the hidden states they were computed from, for loss terms that need them. */
  forward?(ids: Tensor2D, pass?: TrainingPass, tokens?: TokenInputs): ForwardOutputs;
  /**
   * Returns the mean cross-entropy in nats over `targets` [batch, time] int32; targets of -1 are ignored. The loop
   * weights the loss and its gradient by the number of counted targets, and uses neither for a batch without any.
   */
  loss(ids: Tensor2D, targets: Tensor2D, pass?: TrainingPass, tokens?: TokenInputs): Scalar;
  /** Optional. Lets an engine repeat a pass without calling the model; undefined for a pass that cannot be repeated. */
  operationsOf?(pass?: TrainingPass): PassOperations | undefined;
  /** Continues `prompt` and returns only the new ids. */
  generate(prompt: readonly number[], options: GenerateOptions): number[];
  /** Optional. Generates several texts at a time: each is what `generate` returns for its options. */
  generateAll?(prompt: readonly number[], options: readonly GenerateOptions[]): number[][];
  /**
   * Optional. `generateAll` step by step: each step adds one token to every unfinished text, and the last one returns
   * all. Weights must not change before the end; `return` ends it early.
   */
  generateSteps?(prompt: readonly number[], options: readonly GenerateOptions[]): Generator<unknown, number[][]>;
  /** Returns the number of parameters of each part. */
  parameterCounts(): ParameterCount[];
  /**
   * Returns the floating-point operations of a training step per token of a window of `blockSize`, forward and backward:
   * matrix products only; a multiplication and an addition count as two.
   */
  trainingFlopsPerToken(): number;
  /** Returns roughly the bytes that a micro-batch of `batchSize` windows holds between forward and backward pass. */
  activationBytes(batchSize: number): number;
}
export const Model = token<Model>('Model');
