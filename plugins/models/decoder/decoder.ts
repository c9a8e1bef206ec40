import { isDeepStrictEqual } from 'node:util';
import {
  Model,
  UsageError,
  tf,
  type Bindings,
  type Carry,
  type ForwardOutputs,
  type GenerateOptions,
  type ParameterCount,
  type PassOperations,
  type RandomStream,
  type RandomStreams,
  type StoredTensor,
  type TokenInputs,
  type TrainingPass,
  type WeightSources,
} from '../../../core/index.js';
import { InspectableModel, type SharedView } from '../inspection/inspectable.js';
import { lastOf } from '../generation/steps.js';
import { softmaxCrossEntropy } from '../../ops/contract.js';
import { Growable, type ArchitectureFacts, type GrowthStep } from '../../growth/contract.js';
import { WeightRoles, type WeightRole } from '../../optimizers/contract.js';
import { architectureSchema, type Architecture } from './architecture.js';
import type { Blueprint } from './blueprint.js';
import { activationBytes, countsOf, factsOf, flopsPerToken } from './costs.js';
import { drawWeights, makeWeights, variableOf, type Undrawn } from './drawing.js';
import { decoderSteps, type LastLogits } from './generate.js';
import { grownWeights } from './grow.js';
import { Layers, ReadWeights, type NextMask, type PassOptions } from './layers.js';
import { architectureOf, plannedArchitecture } from './plan.js';

/** For the attention weights, and for the output of each half of a block. */
const MASKS_OF_A_BLOCK = 3;

/**
 * Base class of models made of decoder blocks: everything except the forward pass, derived from a blueprint of the
 * weights.
 */
export abstract class Decoder implements Model, Growable, InspectableModel, WeightRoles {
  readonly takesDocuments = true;
  readonly blockSize: number;
  vocabSize: number;
  protected architecture: Architecture;
  #weights = new Map<string, tf.Variable>();
  #undrawn: ReadonlyMap<string, Undrawn> = new Map();
  /** The shape at `build`. */
  #initial: Architecture;

  constructor(
    private readonly blueprint: Blueprint,
    private readonly streams: RandomStreams,
  ) {
    const { block_size, vocab_size } = blueprint.config;
    this.blockSize = block_size;
    this.vocabSize = vocab_size ?? 0;
    this.architecture = this.#initial = architectureOf(blueprint, this.vocabSize);
  }

  abstract get description(): Record<string, unknown>;
  abstract weightSources(stored: ReadonlyMap<string, StoredTensor>): WeightSources;
  abstract shareView(): SharedView;

  /**
   * Returns the head's input [batch, time, embd] for `ids` [batch, time]; applies dropout to embeddings, attention and
   * both halves of a block.
   */
  protected abstract hiddenStates(layers: Layers, ids: tf.Tensor2D): tf.Tensor3D;
  /** Maps hidden states [..., embd] to logits [..., vocab]. */
  protected abstract head<T extends tf.Tensor>(layers: Layers, hidden: T): T;

  build(vocabSize: number): void {
    const { vocab_size } = this.blueprint.config;
    if (vocab_size !== null && vocab_size < vocabSize) {
      throw new UsageError(
        'ESP_MODEL_VOCAB',
        `model.vocab_size is ${String(vocab_size)}, but the data has ${String(vocabSize)} different tokens; set it to null or to at least that`,
      );
    }
    this.#initial = this.initialArchitecture(vocabSize);
    this.#take(this.#initial);
  }

  initialize(names: Iterable<string>): void {
    const wanted = new Set(names);
    const chosen = new Map([...this.#undrawn].filter(([name]) => wanted.has(name)));
    this.#undrawn = new Map();
    drawWeights(chosen, (name, values, shape) => {
      tf.tidy(() => this.#weights.get(name)?.assign(tf.tensor(values, shape)));
    });
  }

  initialArchitecture(vocabSize: number | undefined): Architecture {
    return architectureOf(this.blueprint, this.blueprint.config.vocab_size ?? vocabSize ?? 0);
  }

  planned(architecture: unknown, step: GrowthStep): Architecture {
    return plannedArchitecture(this.blueprint, architectureSchema.parse(architecture), step);
  }

  facts(architecture: unknown): ArchitectureFacts {
    return factsOf(this.blueprint, architectureSchema.parse(architecture));
  }

  grow(step: GrowthStep, random: RandomStream): ReadonlyMap<string, Carry> {
    const next = plannedArchitecture(this.blueprint, this.architecture, step);
    const old = new Map(
      [...this.#weights].map(([name, variable]) => [name, { shape: variable.shape, values: valuesOf(variable) }]),
    );
    const grown = grownWeights(this.blueprint, { from: this.architecture, next, step }, old, random);
    // Nothing has been changed up to here, so an error above leaves the model as it was.
    const weights = new Map(
      [...grown].map(([name, { shape, values, trainable }]) => [name, variableOf(values, shape, trainable)]),
    );
    this.dispose();
    this.#weights = weights;
    this.architecture = next;
    this.vocabSize = next.vocab_size;
    return new Map([...grown].flatMap(([name, { carry }]) => (carry === undefined ? [] : [[name, carry]])));
  }

  /** Undefined while the shape is the config's. */
  state(): Architecture | undefined {
    return isDeepStrictEqual(this.#initial, this.architecture) ? undefined : this.architecture;
  }

  restore(state: unknown): void {
    this.#take(state === undefined ? this.#initial : architectureSchema.parse(state));
  }

  parameters(): ReadonlyMap<string, tf.Variable> {
    return this.#weights;
  }

  weightRoles(): ReadonlyMap<string, WeightRole> {
    return new Map(this.blueprint.weights(this.architecture).map((weight) => [weight.name, weight]));
  }

  logits(ids: tf.Tensor2D, pass?: TrainingPass, tokens?: TokenInputs): tf.Tensor3D {
    return tf.tidy(() => this.forward(ids, pass, tokens).logits);
  }

  forward(ids: tf.Tensor2D, pass?: TrainingPass, tokens?: TokenInputs): ForwardOutputs {
    const layers = this.#layers({ nextMask: this.#masks(pass), documents: tokens?.documents }, pass);
    return tf.tidy(() => {
      const hidden = this.hiddenStates(layers, ids);
      return { logits: this.head(layers, hidden), hidden };
    });
  }

  loss(ids: tf.Tensor2D, targets: tf.Tensor2D, pass?: TrainingPass, tokens?: TokenInputs): tf.Scalar {
    return tf.tidy(() => softmaxCrossEntropy(this.logits(ids, pass, tokens), targets));
  }

  operationsOf(pass?: TrainingPass): PassOperations {
    const nextMask = this.#masks(pass);
    const count = 1 + MASKS_OF_A_BLOCK * this.architecture.n_layer;
    return { same: this.architecture, masks: Array.from({ length: count }).flatMap(() => nextMask() ?? []) };
  }

  generate(prompt: readonly number[], options: GenerateOptions): number[] {
    return this.generateAll(prompt, [options])[0] ?? [];
  }

  generateAll(prompt: readonly number[], options: readonly GenerateOptions[]): number[][] {
    return lastOf(this.generateSteps(prompt, options));
  }

  generateSteps(prompt: readonly number[], options: readonly GenerateOptions[]): Generator<undefined, number[][]> {
    const { blockSize } = this;
    const last: LastLogits = (ids, length, past) => {
      const layers = this.#layers({ past });
      const hidden = this.hiddenStates(layers, ids); // [rows, time, embd]
      const [rows, time, width] = hidden.shape;
      if (time === 1) return this.head(layers, hidden);
      // Of a padded text by number: an engine that compiles has one program for all lengths.
      if (length < time) return this.head(layers, tf.gather(hidden, tf.tensor1d([length - 1], 'int32'), 1));
      return this.head(layers, tf.slice(hidden, [0, time - 1, 0], [rows, 1, width]));
    };
    return decoderSteps({ blockSize, last }, prompt, options);
  }

  parameterCounts(): ParameterCount[] {
    return countsOf(this.blueprint.weights(this.architecture), this.architecture);
  }

  trainingFlopsPerToken(): number {
    return flopsPerToken(this.blueprint, this.architecture);
  }

  activationBytes(batchSize: number): number {
    return activationBytes(this.blueprint, this.architecture, batchSize);
  }

  dispose(): void {
    for (const variable of this.#weights.values()) variable.dispose();
    this.#weights.clear();
  }

  /** Returns the layers of a pass. */
  #layers(options: PassOptions, pass?: TrainingPass): Layers {
    const weights = pass?.read === undefined ? this.#weights : new ReadWeights(this.#weights, pass.read);
    return new Layers(weights, this.blueprint.config.lora_alpha, options);
  }

  /** Creates the weights of a shape. */
  #take(architecture: Architecture): void {
    this.dispose();
    this.architecture = architecture;
    this.vocabSize = architecture.vocab_size;
    const streams = { base: this.streams.stream('init'), lora: this.streams.stream('init/lora') };
    const { weights, undrawn } = makeWeights(this.blueprint.weights(architecture), architecture, streams);
    this.#weights = weights;
    this.#undrawn = undrawn;
  }

  /**
   * A mask depends only on seed, iteration, micro-batch, row in the micro-batch of all ranks, and place in the model.
   */
  #masks(pass: TrainingPass | undefined): NextMask {
    const rate = this.blueprint.config.dropout;
    if (pass === undefined || rate === 0) return () => undefined;
    const random = this.streams.at('dropout', pass.iteration, pass.microBatch);
    const { firstRow = 0 } = pass;
    return () => ({ rate, key0: random.uint32(), key1: random.uint32(), firstRow });
  }
}

/** Binds every contract of a decoder; for a model's `register`. */
export function bindDecoder(bindings: Bindings, model: new (...args: never[]) => Decoder): void {
  bindings.bind(Model, model);
  bindings.bind(Growable, model);
  bindings.bind(InspectableModel, model);
  bindings.bind(WeightRoles, model);
}

function valuesOf(variable: tf.Variable): Float32Array {
  const values = variable.dataSync<'float32'>();
  return values.slice();
}
