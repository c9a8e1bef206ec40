import {
  generateSteps,
  inject,
  lastOf,
  Model,
  Plugin,
  PluginConfig,
  RandomStreams,
  softmaxCrossEntropy,
  tf,
  z,
} from 'espalier';
import type { Bindings, GenerateOptions, ParameterCount } from 'espalier';

const options = z.strictObject({
  width: z.int().min(1).default(16).describe('numbers that stand for a token'),
  block_size: z.int().min(1).default(32).describe('tokens of a window'),
});

@Plugin({ name: 'bigram', summary: 'each token from the one before it alone', slot: 'model', config: options })
export default class Bigram implements Model {
  static register(bindings: Bindings): void {
    bindings.bind(Model, Bigram);
  }

  vocabSize = 0;
  readonly description = { model_type: 'bigram' };
  private readonly weights = new Map<string, tf.Variable>();

  constructor(
    @inject(PluginConfig) private readonly config: z.output<typeof options>,
    @inject(RandomStreams) private readonly streams: RandomStreams,
  ) {}

  get blockSize(): number {
    return this.config.block_size;
  }

  build(vocabSize: number): void {
    this.vocabSize = vocabSize;
    const stream = this.streams.stream('bigram');
    const shapes = { 'tokens.weight': [vocabSize, this.config.width], 'head.weight': [this.config.width, vocabSize] };
    for (const [name, shape] of Object.entries(shapes)) {
      const values = Float32Array.from({ length: tf.util.sizeFromShape(shape) }, () => 0.1 * stream.normal());
      this.weights.set(
        name,
        tf.tidy(() => tf.variable(tf.tensor(values, shape))),
      );
    }
  }

  parameters(): ReadonlyMap<string, tf.Variable> {
    return this.weights;
  }

  logits(ids: tf.Tensor2D): tf.Tensor3D {
    const [batch, time] = ids.shape;
    const rows = tf.gather(this.weight('tokens.weight'), tf.reshape(ids, [-1]));
    return tf.reshape(tf.matMul(tf.tanh(rows), this.weight('head.weight')), [batch, time, this.vocabSize]);
  }

  loss(ids: tf.Tensor2D, targets: tf.Tensor2D): tf.Scalar {
    return softmaxCrossEntropy(this.logits(ids), targets);
  }

  generate(prompt: readonly number[], options: GenerateOptions): number[] {
    return lastOf(this.generateSteps(prompt, [options]))[0] ?? [];
  }

  generateSteps(prompt: readonly number[], options: readonly GenerateOptions[]): Generator<unknown, number[][]> {
    const after = (ids: readonly number[]): Float32Array =>
      tf.tidy(() => this.logits(tf.tensor2d([...ids.slice(-1)], [1, 1], 'int32')).dataSync<'float32'>());
    return generateSteps(prompt, this.blockSize, options, { after });
  }

  parameterCounts(): ParameterCount[] {
    return [...this.weights].map(([component, { size }]) => ({ component, total: size, trainable: size }));
  }

  trainingFlopsPerToken(): number {
    return 6 * this.config.width * this.vocabSize;
  }

  activationBytes(batchSize: number): number {
    return 4 * batchSize * this.blockSize * (2 * this.config.width + this.vocabSize);
  }

  dispose(): void {
    for (const weight of this.weights.values()) weight.dispose();
  }

  private weight(name: string): tf.Variable {
    const weight = this.weights.get(name);
    if (weight === undefined) throw new Error(`${name} is made by build()`);
    return weight;
  }
}
