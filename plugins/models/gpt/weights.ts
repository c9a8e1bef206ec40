import { tf, type RandomStream } from '../../../core/index.js';
import { NormalDrawing } from '../drawing/draw-normals.js';
import { prefixOf, type Architecture } from './architecture.js';
import type { GptConfig } from './config.js';

const INIT_DEVIATION = 0.02;

/** A weight's shape and how it starts: normal with that deviation, uniform within a bound, or all of one value. */
export interface WeightShape {
  readonly shape: number[];
  readonly deviation?: number;
  readonly bound?: number;
  readonly value?: number;
}

/** Where new weights come from; LoRA draws from its own stream, so that it does not change the others. */
export interface InitStreams {
  readonly base: RandomStream;
  readonly lora: RandomStream;
}

/** A weight whose random numbers are not drawn yet. */
export interface Undrawn {
  readonly shape: WeightShape;
  /** Begins with the numbers of this weight. */
  readonly stream: RandomStream;
}

/** New weights under Hugging Face's GPT-2 names, in their order; those that start random are 0. The output head is tied to `wte`. */
export function makeWeights(
  config: GptConfig,
  architecture: Architecture,
  streams: InitStreams,
): { weights: Map<string, tf.Variable>; undrawn: Map<string, Undrawn> } {
  const weights = new Map<string, tf.Variable>();
  const undrawn = new Map<string, Undrawn>();
  const shapes = weightShapes(config, architecture);
  for (const [name, shape] of shapes) {
    const size = tf.util.sizeFromShape(shape.shape);
    const random = streamOf(name, streams);
    if (shape.deviation !== undefined) undrawn.set(name, { shape, stream: random.skipNormals(size) });
    if (shape.bound !== undefined) undrawn.set(name, { shape, stream: random.skipFloats(size) });
    const start = (): tf.Tensor => (undrawn.has(name) ? unset(shape.shape) : tf.fill(shape.shape, shape.value ?? 0));
    weights.set(
      name,
      tf.tidy(() => tf.variable(start(), isTrainable(name, architecture))),
    );
  }
  return { weights, undrawn };
}

/**
 * Zeros for a weight that is drawn or loaded before anybody reads it: a sum, which an engine that computes elementwise
 * operations when their numbers are needed never computes.
 */
function unset(shape: number[]): tf.Tensor {
  const [rows = 1, columns] = shape;
  return shape.length === 2 ? tf.add(tf.zeros([rows, 1]), tf.zeros([1, columns ?? 1])) : tf.zeros(shape);
}

/** Draws weights, on several threads if they are large. @param take called with the values of each */
export function drawWeights(
  undrawn: ReadonlyMap<string, Undrawn>,
  take: (name: string, values: Float32Array, shape: number[]) => void,
): void {
  const normal = [...undrawn.values()].filter(({ shape }) => shape.deviation !== undefined);
  const drawing = new NormalDrawing(normal.reduce((sum, { shape }) => sum + tf.util.sizeFromShape(shape.shape), 0));
  try {
    for (const [name, { shape, stream }] of undrawn) take(name, drawn(shape, stream, drawing), shape.shape);
  } finally {
    drawing.end();
  }
}

/** No name: tfjs's variable names are global, two runs would clash. */
export function variableOf(values: Float32Array, shape: number[], trainable: boolean): tf.Variable {
  return tf.tidy(() => tf.variable(tf.tensor(values, shape), trainable));
}

export function initialValues(name: string, shape: WeightShape, streams: InitStreams): Float32Array {
  return drawn(shape, streamOf(name, streams), new NormalDrawing(0));
}

function streamOf(name: string, streams: InitStreams): RandomStream {
  return name.includes('.lora_') ? streams.lora : streams.base;
}

function drawn(
  { shape, deviation, bound, value = 0 }: WeightShape,
  random: RandomStream,
  drawing: NormalDrawing,
): Float32Array {
  const values = new Float32Array(tf.util.sizeFromShape(shape));
  if (deviation !== undefined) random.fillNormal(values, deviation, drawing);
  else if (bound === undefined) values.fill(value);
  else for (let i = 0; i < values.length; i++) values[i] = bound * (2 * random.float() - 1);
  return values;
}

/** The main weight of a layer with LoRA stays as it is; so does everything that is frozen. */
export function isTrainable(name: string, architecture: Architecture): boolean {
  const { attn_lora_rank: ranks, embedding_lora_rank: embeddingRank, frozen, trained } = architecture;
  const block = Number(/^transformer\.h\.(\d+)\.attn\.c_attn\.weight$/.exec(name)?.[1] ?? NaN);
  if ((ranks[block] ?? 0) > 0) return false;
  if (name === 'transformer.wte.weight' && embeddingRank > 0) return false;
  if (frozen.some((layer) => name.startsWith(prefixOf(layer)))) return false;
  if (trained === 'lora') return name.includes('.lora_');
  return trained === 'all' || /^transformer\.w[tp]e\./.test(name);
}

export function weightShapes(config: GptConfig, architecture: Architecture): [string, WeightShape][] {
  const { n_embd: width, block_size: block } = config;
  const { n_layer: layers, n_hidden: hidden, vocab_size: vocabSize, embedding_lora_rank: rank } = architecture;
  const residual = INIT_DEVIATION / Math.sqrt(2 * layers);
  const blocks = Array.from({ length: layers }, (_, layer) => {
    const at = `transformer.h.${String(layer)}`;
    return [
      ...norm(`${at}.ln_1`, width, config.bias),
      ...linear(`${at}.attn.c_attn`, width, 3 * width, INIT_DEVIATION, config.bias),
      ...lora(`${at}.attn.c_attn`, architecture.attn_lora_rank[layer] ?? 0, width, 3 * width),
      ...linear(`${at}.attn.c_proj`, width, width, residual, config.bias),
      ...norm(`${at}.ln_2`, width, config.bias),
      ...linear(`${at}.mlp.c_fc`, width, hidden, INIT_DEVIATION, config.bias),
      ...linear(`${at}.mlp.c_proj`, hidden, width, residual, config.bias),
    ];
  });
  const positions: [string, WeightShape][] = config.rotary
    ? []
    : [['transformer.wpe.weight', { shape: [block, width], deviation: INIT_DEVIATION }]];
  const embeddingLora: [string, WeightShape][] =
    rank === 0
      ? []
      : [
          ['transformer.wte.lora_A', { shape: [vocabSize, rank], deviation: INIT_DEVIATION }],
          ['transformer.wte.lora_B', { shape: [rank, width] }],
        ];
  return [
    ['transformer.wte.weight', { shape: [vocabSize, width], deviation: INIT_DEVIATION }],
    ...embeddingLora,
    ...positions,
    ...blocks.flat(),
    ...norm('transformer.ln_f', width, config.bias),
  ];
}

/** Source: Hu et al., "LoRA", ICLR 2022, section 4.1; A Kaiming-uniform with a = √5, as PyTorch's linear layers start. */
function lora(name: string, rank: number, from: number, to: number): [string, WeightShape][] {
  if (rank === 0) return [];
  return [
    [`${name}.lora_A`, { shape: [from, rank], bound: 1 / Math.sqrt(from) }],
    [`${name}.lora_B`, { shape: [rank, to] }],
  ];
}

function linear(name: string, from: number, to: number, deviation: number, bias: boolean): [string, WeightShape][] {
  return withBias(name, { shape: [from, to], deviation }, to, bias);
}

function norm(name: string, width: number, bias: boolean): [string, WeightShape][] {
  return withBias(name, { shape: [width], value: 1 }, width, bias);
}

function withBias(name: string, weight: WeightShape, width: number, bias: boolean): [string, WeightShape][] {
  return [
    [`${name}.weight`, weight],
    ...(bias ? [[`${name}.bias`, { shape: [width] }] satisfies [string, WeightShape]] : []),
  ];
}
