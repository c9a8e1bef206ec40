import { tf, type RandomStream } from '../../../core/index.js';
import { NormalDrawing } from '../drawing/draw-normals.js';
import { isLora } from '../weights/lora.js';
import type { Architecture } from './architecture.js';
import { isTrainable, type DescribedWeight } from './described.js';

/** Random streams for new weights; LoRA has its own, so that it does not change the others. */
export interface InitStreams {
  readonly base: RandomStream;
  readonly lora: RandomStream;
}

/** A weight whose random values have not been drawn yet. */
export interface Undrawn {
  readonly weight: DescribedWeight;
  /** Starts at this weight's first number. */
  readonly stream: RandomStream;
}

/** Creates new weights by name, in order; those with random initial values are 0. */
export function makeWeights(
  described: readonly DescribedWeight[],
  architecture: Architecture,
  streams: InitStreams,
): { weights: Map<string, tf.Variable>; undrawn: Map<string, Undrawn> } {
  const weights = new Map<string, tf.Variable>();
  const undrawn = new Map<string, Undrawn>();
  for (const weight of described) {
    const { name, shape, deviation, bound, value = 0 } = weight;
    const size = tf.util.sizeFromShape(shape);
    const random = streamOf(name, streams);
    if (deviation !== undefined) undrawn.set(name, { weight, stream: random.skipNormals(size) });
    if (bound !== undefined) undrawn.set(name, { weight, stream: random.skipFloats(size) });
    const start = (): tf.Tensor => (undrawn.has(name) ? unset(shape) : tf.fill(shape, value));
    weights.set(
      name,
      tf.tidy(() => tf.variable(start(), isTrainable(weight, architecture))),
    );
  }
  return { weights, undrawn };
}

/**
 * Returns zeros for a weight that is drawn or loaded before anything reads it, as a sum: an engine that defers
 * elementwise operations then never computes it.
 */
function unset(shape: number[]): tf.Tensor {
  const [rows = 1, columns] = shape;
  return shape.length === 2 ? tf.add(tf.zeros([rows, 1]), tf.zeros([1, columns ?? 1])) : tf.zeros(shape);
}

/** Draws weights, on several threads if they are large. @param take called with each weight's values */
export function drawWeights(
  undrawn: ReadonlyMap<string, Undrawn>,
  take: (name: string, values: Float32Array, shape: number[]) => void,
): void {
  const normal = [...undrawn.values()].filter(({ weight }) => weight.deviation !== undefined);
  const drawing = new NormalDrawing(normal.reduce((sum, { weight }) => sum + tf.util.sizeFromShape(weight.shape), 0));
  try {
    for (const [name, { weight, stream }] of undrawn) take(name, drawn(weight, stream, drawing), weight.shape);
  } finally {
    drawing.end();
  }
}

/** Without a name: tfjs variable names are global, so two runs would clash. */
export function variableOf(values: Float32Array, shape: number[], trainable: boolean): tf.Variable {
  return tf.tidy(() => tf.variable(tf.tensor(values, shape), trainable));
}

export function initialValues(weight: DescribedWeight, streams: InitStreams): Float32Array {
  return drawn(weight, streamOf(weight.name, streams), new NormalDrawing(0));
}

function streamOf(name: string, streams: InitStreams): RandomStream {
  return isLora(name) ? streams.lora : streams.base;
}

function drawn(
  { shape, deviation, bound, value = 0 }: DescribedWeight,
  random: RandomStream,
  drawing: NormalDrawing,
): Float32Array {
  const values = new Float32Array(tf.util.sizeFromShape(shape));
  if (deviation !== undefined) drawing.fill(values, random, deviation);
  else if (bound === undefined) values.fill(value);
  else for (let i = 0; i < values.length; i++) values[i] = bound * (2 * random.float() - 1);
  return values;
}
