import type { Scalar, Tensor, Tensor2D, Tensor3D, Variable } from '@tensorflow/tfjs-core';
import type { StoredTensor } from './checkpoint-store.js';
import { token } from './token.js';

/** Where a weight of a model comes from among stored ones. */
export interface WeightSource {
  /** Its name there. */
  readonly stored: string;
  /**
   * Brings a stored tensor of the weight, its values or a moment of the optimizer, into the weight's shape; undefined where
   * it does not fit. When not given, the shapes must be equal.
   */
  readonly fit?: (tensor: StoredTensor) => StoredTensor | undefined;
}

/** How a model finds its weights among stored ones. */
export interface WeightSources {
  /** By the model's names. What is missing here is missing there. */
  readonly sources: ReadonlyMap<string, WeightSource>;
  /** Names of weights that may be missing: they start as new ones do. */
  readonly optional?: readonly string[];
  /**
   * Keys of `Model.description` without which the same weights compute something else and that no weight's shape shows,
   * such as the number of heads. When not given: every key but those of the vocabulary and of dropout.
   */
  readonly decisive?: readonly string[];
}

/** Which elements a dropout takes: a function of these numbers alone, the same on every engine. */
export interface DropoutMask {
  /** Share of elements set to 0, at least 0 and below 1. */
  rate: number;
  /** Two 32-bit numbers, different for every use. */
  key0: number;
  key1: number;
  /**
   * Row, of the batch that `x` is a part of, that the first row of `x` is; 0 when not given. Parts of a batch get the
   * masks that the whole batch would.
   */
  firstRow?: number;
}

/** Which random numbers a training pass takes: dropout masks are a function of these alone. */
export interface TrainingPass {
  iteration: number;
  microBatch: number;
  /** Row of the micro-batch of all ranks that the first row of this one is; 0 when not given. */
  firstRow?: number;
  /**
   * Gives a weight as the pass computes with it. A model that asks once for each weight, when it first needs it, lets
   * others have its gradient as soon as it is known (`EarlyGradients`); without, they have it when the pass is over.
   */
  read?: (name: string, weight: Variable) => Tensor;
}

/** What a pass computes, its batch and the values of its weights aside. */
export interface PassOperations {
  /**
   * One object for as long as passes over batches of one shape, with the same variables as weights, run the same
   * operations of TensorFlow.js and of this package with the same attributes, but for the keys of `masks`.
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

/** What is known of a run before anything of it is made. */
export interface PlannedShape {
  /** Windows of a micro-batch. */
  batchSize: number;
  /** Different tokens in the data; 0 while that is not known. */
  vocabSize: number;
}

/** What a model takes of memory at the least, whichever engine computes. */
export interface MemoryNeed {
  /** Numbers in its weights. */
  weights: number;
  /** Numbers in those that are trained: each has a gradient, and as a rule the optimizer's moments. */
  trained: number;
  /** Bytes that a micro-batch holds between forward and backward pass. */
  activations: number;
}

export interface GenerateOptions {
  /** How many tokens to add. */
  maxNewTokens: number;
  /** Divides the logits; 0 takes the likeliest token each time. */
  temperature: number;
  /** Keep only the k likeliest tokens; 0 keeps all. */
  topK: number;
  /** Uniform numbers in [0, 1), one a token. */
  random: () => number;
  /** Called with each token as it is chosen. */
  onToken?: (id: number) => void;
}

/**
 * A language model over token ids. Tensor methods are synchronous and run with the engine current;
 * what they return belongs to the caller, who disposes it (or calls inside `tf.tidy`).
 */
export interface Model {
  readonly blockSize: number;
  readonly vocabSize: number;
  /** What Hugging Face's `config.json` would hold, written into checkpoints; `vocab_size` is added there. */
  readonly description: Record<string, unknown>;
  /** Builds the weights: called once by the core, after the engine and the data are ready. */
  build(vocabSize: number): void;
  /** Every weight by name, in a fixed order; tied weights appear once. */
  parameters(): ReadonlyMap<string, Variable>;
  /**
   * Optional: finds its weights among stored ones, of a checkpoint or of a pretrained model; the optimizer's state of a
   * weight comes from the same place. Without it, each weight comes from the stored one of its name and shape.
   */
  weightSources?(stored: ReadonlyMap<string, StoredTensor>): WeightSources;
  /** `ids` [batch, time] int32 → logits [batch, time, vocab]. Dropout only when `pass` is given. */
  logits(ids: Tensor2D, pass?: TrainingPass): Tensor3D;
  /**
   * Mean cross-entropy in nats over the targets [batch, time] int32 that are not -1, which are ignored. The loop weights
   * it, and its gradient, by the number of those targets; of a batch without any, neither is used.
   */
  loss(ids: Tensor2D, targets: Tensor2D, pass?: TrainingPass): Scalar;
  /** Optional: an engine can then repeat the operations of a pass without the model. Undefined where it cannot. */
  operationsOf?(pass?: TrainingPass): PassOperations | undefined;
  /** Continues `prompt` and returns the new ids alone. */
  generate(prompt: readonly number[], options: GenerateOptions): number[];
  parameterCounts(): ParameterCount[];
  /**
   * Floating-point operations that training needs for a token of a window of `blockSize`, forward and backward: of its
   * matrix products alone, a multiplication and an addition counting two.
   */
  trainingFlopsPerToken(): number;
  /** Roughly the bytes that a micro-batch of so many windows holds between forward and backward pass. */
  activationBytes(batchSize: number): number;
}
export const Model = token<Model>('Model');
