import * as tf from '@tensorflow/tfjs-core';
import {
  inject,
  Model,
  Plugin,
  PluginConfig,
  RandomStreams,
  softmaxCrossEntropy,
  UsageError,
  type Bindings,
  type GenerateOptions,
  type ParameterCount,
  type TrainingPass,
} from '../../core/index.js';
import { gptOptions, type GptConfig } from './config.js';
import { head, hiddenStates, type NextMask } from './forward.js';
import { generate } from './generate.js';
import { makeWeights } from './weights.js';

const BYTES_PER_NUMBER = 4;

/** Source: Radford et al., "Language models are unsupervised multitask learners", 2019; exact GELU, tied head. */
@Plugin({
  name: 'gpt',
  summary: 'GPT-2: pre-LayerNorm blocks, learned positions, head tied to the embedding.',
  slot: 'model',
  config: gptOptions,
})
export default class Gpt implements Model {
  static register(bindings: Bindings): void {
    bindings.bind(Model, Gpt);
  }

  readonly blockSize: number;
  vocabSize: number;
  #weights = new Map<string, tf.Variable>();

  constructor(
    @inject(PluginConfig) private readonly config: GptConfig,
    @inject(RandomStreams) private readonly streams: RandomStreams,
  ) {
    this.blockSize = config.block_size;
    this.vocabSize = config.vocab_size ?? 0;
  }

  get description(): Record<string, unknown> {
    const { n_layer, n_head, n_embd, block_size, n_hidden, bias, dropout, activation } = this.config;
    return {
      model_type: 'gpt2',
      architectures: ['GPT2LMHeadModel'],
      vocab_size: this.vocabSize,
      n_positions: block_size,
      n_ctx: block_size,
      n_layer,
      n_head,
      n_embd,
      n_inner: n_hidden,
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
    this.vocabSize = this.config.vocab_size ?? vocabSize;
    this.#weights = makeWeights(this.config, this.vocabSize, this.streams.stream('init'));
  }

  parameters(): ReadonlyMap<string, tf.Variable> {
    return this.#weights;
  }

  logits(ids: tf.Tensor2D, pass?: TrainingPass): tf.Tensor3D {
    return tf.tidy(() => head(this.#weights, hiddenStates(this.config, this.#weights, ids, this.#masks(pass))));
  }

  loss(ids: tf.Tensor2D, targets: tf.Tensor2D, pass?: TrainingPass): tf.Scalar {
    return tf.tidy(() => softmaxCrossEntropy(this.logits(ids, pass), targets));
  }

  generate(prompt: readonly number[], options: GenerateOptions): number[] {
    return generate(prompt, this.blockSize, options, (ids) =>
      tf.tidy(() => {
        const hidden = hiddenStates(
          this.config,
          this.#weights,
          tf.tensor2d([...ids], [1, ids.length], 'int32'),
          () => undefined,
        );
        const last = tf.slice(hidden, [0, ids.length - 1, 0], [1, 1, this.config.n_embd]);
        return Float32Array.from(head(this.#weights, last).dataSync());
      }),
    );
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

  activationBytes(batchSize: number): number {
    const { n_layer: layers, n_head: heads, n_embd: width, block_size: block, n_hidden } = this.config;
    const perToken = layers * (10 * width + 2 * (n_hidden ?? 4 * width) + heads * block) + 3 * this.vocabSize;
    return batchSize * block * perToken * BYTES_PER_NUMBER;
  }

  dispose(): void {
    for (const variable of this.#weights.values()) variable.dispose();
    this.#weights.clear();
  }

  /** Masks are a function of seed, iteration, micro-batch and place alone. */
  #masks(pass: TrainingPass | undefined): NextMask {
    const rate = this.config.dropout;
    if (pass === undefined || rate === 0) return () => undefined;
    const random = this.streams.at('dropout', pass.iteration, pass.microBatch);
    return () => ({ rate, key0: random.uint32(), key1: random.uint32() });
  }
}

/** `transformer.h.3.attn.c_attn.weight` → `attn` */
function componentOf(name: string): string {
  const parts = name.replace(/^transformer\.(h\.\d+\.)?/, '').split('.');
  const first = parts[0] ?? name;
  return first.startsWith('ln_') ? 'ln' : first;
}
