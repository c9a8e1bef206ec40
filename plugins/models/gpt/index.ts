import { isDeepStrictEqual } from 'node:util';
import {
  inject,
  InspectableModel,
  Model,
  Plugin,
  PluginConfig,
  RandomStreams,
  UsageError,
  tf,
  type Bindings,
  type Carry,
  type GenerateOptions,
  type MemoryNeed,
  type ParameterCount,
  type PassOperations,
  type PlannedShape,
  type RandomStream,
  type SharedView,
  type StoredTensor,
  type TrainingPass,
  type WeightSources,
} from '../../../core/index.js';
import { huggingFaceGpt2 } from '../weights/pretrained.js';
import { softmaxCrossEntropy } from '../../ops/contract.js';
import { type ArchitectureFacts, Growable, type GrowthStep } from '../../growth/contract.js';
import { flopsPerToken } from './arithmetic.js';
import { architectureOf, architectureSchema, plannedArchitecture, type Architecture } from './architecture.js';
import { gptOptions, type GptConfig } from './config.js';
import { head, hiddenStates } from './forward.js';
import { generate } from './generate.js';
import { grownWeights } from './grow.js';
import { Layers, type NextMask, type Weights } from './layers.js';
import { weightSources } from './match.js';
import { memoryNeeded } from './memory.js';
import { Past } from './past.js';
import { isTrainable, makeWeights, variableOf, weightShapes } from './weights.js';

const BYTES_PER_NUMBER = 4;
/** Of the attention's weights, and of what each half of a block adds. */
const MASKS_OF_A_BLOCK = 3;

/** Source: Radford et al., "Language models are unsupervised multitask learners", 2019; exact GELU, tied head. */
@Plugin({
  name: 'gpt',
  summary: 'GPT-2: pre-LayerNorm blocks, learned positions, head tied to the embedding.',
  slot: 'model',
  config: gptOptions,
})
export default class Gpt implements Model, Growable, InspectableModel {
  static register(bindings: Bindings): void {
    bindings.bind(Model, Gpt);
    bindings.bind(Growable, Gpt);
    bindings.bind(InspectableModel, Gpt);
  }

  static readonly weightFormats = [huggingFaceGpt2];

  static memoryNeeded(config: GptConfig, shape: PlannedShape): MemoryNeed {
    return memoryNeeded(config, shape);
  }

  readonly blockSize: number;
  vocabSize: number;
  #weights = new Map<string, tf.Variable>();
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
    const { n_head, n_embd, block_size, bias, dropout, activation, rotary, rotary_base, lora_alpha } = this.config;
    const { n_layer, n_hidden, attn_lora_rank, embedding_lora_rank } = this.#architecture;
    const lora = embedding_lora_rank > 0 || attn_lora_rank.some((rank) => rank > 0);
    return {
      // Transformers has no GPT-2 with rotary positions.
      ...(rotary
        ? { model_type: 'espalier', rotary_base }
        : { model_type: 'gpt2', architectures: ['GPT2LMHeadModel'] }),
      ...(lora ? { lora_alpha } : {}),
      vocab_size: this.vocabSize,
      n_positions: block_size,
      n_ctx: block_size,
      n_layer,
      n_head,
      n_embd,
      n_inner: n_hidden === 4 * n_embd ? null : n_hidden,
      activation_function: activation === 'gelu' ? 'gelu' : 'gelu_new',
      layer_norm_epsilon: 1e-5,
      attn_pdrop: dropout,
      embd_pdrop: dropout,
      resid_pdrop: dropout,
      tie_word_embeddings: true,
      bias,
    };
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

  initialArchitecture(vocabSize: number | undefined): Architecture {
    return architectureOf(this.config, this.config.vocab_size ?? vocabSize ?? 0);
  }

  planned(architecture: unknown, step: GrowthStep): Architecture {
    return plannedArchitecture(this.config, architectureSchema.parse(architecture), step);
  }

  facts(architecture: unknown): ArchitectureFacts {
    const of = architectureSchema.parse(architecture);
    const counts = weightShapes(this.config, of).map(([name, { shape }]) => {
      const size = tf.util.sizeFromShape(shape);
      return { size, trained: isTrainable(name, of) ? size : 0 };
    });
    const ranks = [...new Set(of.attn_lora_rank)].map(String).join(' and ');
    const description = [
      `${String(of.n_layer)} layers, MLP ${String(of.n_hidden)} wide, vocabulary ${String(of.vocab_size)}`,
      ...(ranks === '0' ? [] : [`LoRA rank ${ranks}`]),
      ...(of.embedding_lora_rank === 0 ? [] : [`embedding LoRA rank ${String(of.embedding_lora_rank)}`]),
      ...(of.frozen.length === 0 ? [] : [`frozen ${of.frozen.join(' ')}`]),
      ...(of.trained === 'all' ? [] : [`only ${of.trained} trained`]),
    ].join(', ');
    const total = (key: 'size' | 'trained'): number => counts.reduce((sum, each) => sum + each[key], 0);
    return { parameters: total('size'), trainable: total('trained'), description };
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

  weightSources(stored: ReadonlyMap<string, StoredTensor>): WeightSources {
    return weightSources(stored, this.#weights);
  }

  logits(ids: tf.Tensor2D, pass?: TrainingPass): tf.Tensor3D {
    const weights = pass?.read === undefined ? this.#weights : new ReadWeights(this.#weights, pass.read);
    const layers = new Layers(this.config, weights, { nextMask: this.#masks(pass) });
    return tf.tidy(() => head(layers, hiddenStates(layers, ids)));
  }

  loss(ids: tf.Tensor2D, targets: tf.Tensor2D, pass?: TrainingPass): tf.Scalar {
    return tf.tidy(() => softmaxCrossEntropy(this.logits(ids, pass), targets));
  }

  operationsOf(pass?: TrainingPass): PassOperations {
    const nextMask = this.#masks(pass);
    const count = 1 + MASKS_OF_A_BLOCK * this.#architecture.n_layer;
    return { same: this.#architecture, masks: Array.from({ length: count }).flatMap(() => nextMask() ?? []) };
  }

  generate(prompt: readonly number[], options: GenerateOptions): number[] {
    const past = new Past();
    try {
      return generate(prompt, this.blockSize, options, (context) => this.#logitsAfter(context, past));
    } finally {
      past.dispose();
    }
  }

  /** Logits [vocab] of the token after a context. */
  #logitsAfter(context: readonly number[], past: Past): Float32Array {
    return tf.tidy(() => {
      const ids = past.advance(context);
      const input = tf.tensor2d([...ids], [1, ids.length], 'int32');
      const layers = new Layers(this.config, this.#weights, { past });
      const hidden = hiddenStates(layers, input); // [1, time, embd]
      const last = tf.slice(hidden, [0, ids.length - 1, 0], [1, 1, this.config.n_embd]);
      return Float32Array.from(head(layers, last).dataSync());
    });
  }

  parameterCounts(): ParameterCount[] {
    const counts = new Map<string, ParameterCount>();
    for (const [name, variable] of this.#weights) {
      const component = componentOf(name);
      const count = counts.get(component) ?? { component, total: 0, trainable: 0 };
      count.total += variable.size;
      if (variable.trainable) count.trainable += variable.size;
      counts.set(component, count);
    }
    return [...counts.values()];
  }

  trainingFlopsPerToken(): number {
    return flopsPerToken(this.#weights, this.config);
  }

  activationBytes(batchSize: number): number {
    const { n_head: heads, n_embd: width, block_size: block } = this.config;
    const { n_layer: layers, n_hidden: hidden } = this.#architecture;
    const perToken = layers * (10 * width + 2 * hidden + heads * block) + 3 * this.vocabSize;
    return batchSize * block * perToken * BYTES_PER_NUMBER;
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
    this.#weights = makeWeights(this.config, architecture, streams);
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

/** Weights that a pass reads, each once, when it first needs it. */
class ReadWeights implements Weights {
  readonly #read = new Map<string, tf.Tensor>();

  constructor(
    private readonly weights: ReadonlyMap<string, tf.Variable>,
    private readonly read: (name: string, weight: tf.Variable) => tf.Tensor,
  ) {}

  has(name: string): boolean {
    return this.weights.has(name);
  }

  get(name: string): tf.Tensor | undefined {
    const before = this.#read.get(name);
    const weight = this.weights.get(name);
    if (before !== undefined || weight === undefined) return before;
    const read = this.read(name, weight);
    this.#read.set(name, read);
    return read;
  }
}

/** `transformer.h.3.attn.c_attn.weight` → `attn` */
function componentOf(name: string): string {
  const parts = name.replace(/^transformer\.(h\.\d+\.)?/, '').split('.');
  const first = parts[0] ?? name;
  return first.startsWith('ln_') ? 'ln' : first;
}

function valuesOf(variable: tf.Variable): Float32Array {
  const values = variable.dataSync<'float32'>();
  return values.slice();
}
