import { isDeepStrictEqual } from 'node:util';
import {
  inject,
  Model,
  Plugin,
  PluginConfig,
  RandomStreams,
  UsageError,
  tf,
  type Bindings,
  type Carry,
  type ForwardOutputs,
  type GenerateOptions,
  type MemoryNeed,
  type ParameterCount,
  type PassOperations,
  type PlannedShape,
  type RandomStream,
  type StoredTensor,
  type TokenInputs,
  type TrainingPass,
  type WeightSources,
} from '../../../core/index.js';
import { InspectableModel, type SharedView } from '../inspection/inspectable.js';
import { lastOf } from '../generation/steps.js';
import { huggingFaceGpt2 } from '../weights/pretrained.js';
import { softmaxCrossEntropy } from '../../ops/contract.js';
import { type ArchitectureFacts, Growable, type GrowthStep } from '../../growth/contract.js';
import { WeightRoles, type WeightRole } from '../../optimizers/contract.js';
import { architectureOf, architectureSchema, plannedArchitecture, type Architecture } from './architecture.js';
import { gptOptions, type GptConfig } from './config.js';
import { activationBytes, countsOf, factsOf, flopsPerToken, memoryNeeded } from './costs.js';
import { head, hiddenStates, Layers, ReadWeights, type NextMask } from './forward.js';
import { gptSteps } from './generate.js';
import { grownWeights } from './grow.js';
import { descriptionOf, weightSources } from './stored.js';
import { roleOf } from './roles.js';
import { drawWeights, isTrainable, makeWeights, variableOf, type Undrawn } from './weights.js';

/** Of the attention's weights, and of what each half of a block adds. */
const MASKS_OF_A_BLOCK = 3;

/** Source: Radford et al., "Language models are unsupervised multitask learners", 2019; exact GELU, tied head. */
@Plugin({
  name: 'gpt',
  summary: 'GPT-2: pre-LayerNorm blocks, learned positions, head tied to the embedding.',
  slot: 'model',
  config: gptOptions,
})
export default class Gpt implements Model, Growable, InspectableModel, WeightRoles {
  static register(bindings: Bindings): void {
    bindings.bind(Model, Gpt);
    bindings.bind(Growable, Gpt);
    bindings.bind(InspectableModel, Gpt);
    bindings.bind(WeightRoles, Gpt);
  }

  static readonly weightFormats = [huggingFaceGpt2];

  static memoryNeeded(config: GptConfig, shape: PlannedShape): MemoryNeed {
    return memoryNeeded(config, shape);
  }

  readonly takesDocuments = true;
  readonly blockSize: number;
  vocabSize: number;
  #weights = new Map<string, tf.Variable>();
  #undrawn: ReadonlyMap<string, Undrawn> = new Map();
  #architecture: Architecture;
  /** What it was built as. */
  #initial: Architecture;

  constructor(
    @inject(PluginConfig) private readonly config: GptConfig,
    @inject(RandomStreams) private readonly streams: RandomStreams,
  ) {
    this.blockSize = config.block_size;
    this.vocabSize = config.vocab_size ?? 0;
    this.#architecture = this.#initial = architectureOf(config, this.vocabSize);
  }

  get description(): Record<string, unknown> {
    return descriptionOf(this.config, this.#architecture);
  }

  build(vocabSize: number): void {
    if (this.config.vocab_size !== null && this.config.vocab_size < vocabSize) {
      throw new UsageError(
        'ESP_MODEL_VOCAB',
        `model.vocab_size is ${String(this.config.vocab_size)}, but the data has ${String(vocabSize)} different tokens; set it to null or to at least that`,
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
    return architectureOf(this.config, this.config.vocab_size ?? vocabSize ?? 0);
  }

  planned(architecture: unknown, step: GrowthStep): Architecture {
    return plannedArchitecture(this.config, architectureSchema.parse(architecture), step);
  }

  facts(architecture: unknown): ArchitectureFacts {
    return factsOf(this.config, architectureSchema.parse(architecture));
  }

  grow(step: GrowthStep, random: RandomStream): ReadonlyMap<string, Carry> {
    const next = plannedArchitecture(this.config, this.#architecture, step);
    const old = new Map(
      [...this.#weights].map(([name, variable]) => [name, { shape: variable.shape, values: valuesOf(variable) }]),
    );
    const grown = grownWeights(this.config, { from: this.#architecture, next, step }, old, random);
    // Nothing of the model has changed so far: what fails above leaves it as it was.
    const weights = new Map(
      [...grown].map(([name, { shape, values }]) => [name, variableOf(values, shape, isTrainable(name, next))]),
    );
    this.dispose();
    this.#weights = weights;
    this.#architecture = next;
    this.vocabSize = next.vocab_size;
    return new Map([...grown].flatMap(([name, { carry }]) => (carry === undefined ? [] : [[name, carry]])));
  }

  /** Undefined while the shape is what the config says. */
  state(): Architecture | undefined {
    return isDeepStrictEqual(this.#initial, this.#architecture) ? undefined : this.#architecture;
  }

  restore(state: unknown): void {
    this.#take(state === undefined ? this.#initial : architectureSchema.parse(state));
  }

  parameters(): ReadonlyMap<string, tf.Variable> {
    return this.#weights;
  }

  weightRoles(): ReadonlyMap<string, WeightRole> {
    return new Map([...this.#weights.keys()].map((name) => [name, roleOf(name)]));
  }

  weightSources(stored: ReadonlyMap<string, StoredTensor>): WeightSources {
    return weightSources(stored, this.#weights);
  }

  logits(ids: tf.Tensor2D, pass?: TrainingPass, tokens?: TokenInputs): tf.Tensor3D {
    return tf.tidy(() => this.forward(ids, pass, tokens).logits);
  }

  forward(ids: tf.Tensor2D, pass?: TrainingPass, tokens?: TokenInputs): ForwardOutputs {
    const weights = pass?.read === undefined ? this.#weights : new ReadWeights(this.#weights, pass.read);
    const layers = new Layers(this.config, weights, { nextMask: this.#masks(pass), documents: tokens?.documents });
    return tf.tidy(() => {
      const hidden = hiddenStates(layers, ids);
      return { logits: head(layers, hidden), hidden };
    });
  }

  loss(ids: tf.Tensor2D, targets: tf.Tensor2D, pass?: TrainingPass, tokens?: TokenInputs): tf.Scalar {
    return tf.tidy(() => softmaxCrossEntropy(this.logits(ids, pass, tokens), targets));
  }

  operationsOf(pass?: TrainingPass): PassOperations {
    const nextMask = this.#masks(pass);
    const count = 1 + MASKS_OF_A_BLOCK * this.#architecture.n_layer;
    return { same: this.#architecture, masks: Array.from({ length: count }).flatMap(() => nextMask() ?? []) };
  }

  generate(prompt: readonly number[], options: GenerateOptions): number[] {
    return this.generateAll(prompt, [options])[0] ?? [];
  }

  generateAll(prompt: readonly number[], options: readonly GenerateOptions[]): number[][] {
    return lastOf(this.generateSteps(prompt, options));
  }

  generateSteps(prompt: readonly number[], options: readonly GenerateOptions[]): Generator<undefined, number[][]> {
    return gptSteps({ config: this.config, weights: this.#weights }, prompt, options);
  }

  parameterCounts(): ParameterCount[] {
    return countsOf(this.#weights);
  }

  trainingFlopsPerToken(): number {
    return flopsPerToken(this.#weights, this.config);
  }

  activationBytes(batchSize: number): number {
    return activationBytes(this.config, this.#architecture, batchSize);
  }

  shareView(): SharedView {
    return { module: new URL('./inspect.js', import.meta.url).href, data: this.config };
  }

  dispose(): void {
    for (const variable of this.#weights.values()) variable.dispose();
    this.#weights.clear();
  }

  /** New weights of a shape. */
  #take(architecture: Architecture): void {
    this.dispose();
    this.#architecture = architecture;
    this.vocabSize = architecture.vocab_size;
    const streams = { base: this.streams.stream('init'), lora: this.streams.stream('init/lora') };
    const { weights, undrawn } = makeWeights(this.config, architecture, streams);
    this.#weights = weights;
    this.#undrawn = undrawn;
  }

  /** Masks are a function of seed, iteration, micro-batch, row of the micro-batch of all ranks, and place alone. */
  #masks(pass: TrainingPass | undefined): NextMask {
    const rate = this.config.dropout;
    if (pass === undefined || rate === 0) return () => undefined;
    const random = this.streams.at('dropout', pass.iteration, pass.microBatch);
    const { firstRow = 0 } = pass;
    return () => ({ rate, key0: random.uint32(), key1: random.uint32(), firstRow });
  }
}

function valuesOf(variable: tf.Variable): Float32Array {
  const values = variable.dataSync<'float32'>();
  return values.slice();
}
