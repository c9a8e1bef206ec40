import type { Activation, HeadSizes } from '../../../ops/contract.js';

/** Plain f64 arithmetic on row-major arrays, for threads without an engine. */

const LAYER_NORM_EPSILON = 1e-5;
const ROOT_2_OVER_PI = Math.sqrt(2 / Math.PI);

/** Computes `out` [rows, columns] += scale · `x` [rows, inner] · `weight` [inner, columns]. */
export function addProduct(
  out: Float64Array,
  x: Float32Array | Float64Array,
  weight: Float32Array | Float64Array,
  { rows, inner, columns, scale = 1 }: { rows: number; inner: number; columns: number; scale?: number },
): void {
  for (let i = 0; i < rows; i++) {
    const to = i * columns;
    // Four at a time, so that `out` is loaded and stored a quarter as often.
    for (let k = 0; k < inner; k += 4) {
      const factor = (more: number): number => (k + more < inner ? scale * x[i * inner + k + more]! : 0);
      const from = (more: number): number => (k + more < inner ? (k + more) * columns : 0);
      const [a, b, c, d] = [factor(0), factor(1), factor(2), factor(3)];
      const [ofA, ofB, ofC, ofD] = [from(0), from(1), from(2), from(3)];
      for (let j = 0; j < columns; j++) {
        out[to + j]! += a * weight[ofA + j]! + b * weight[ofB + j]! + c * weight[ofC + j]! + d * weight[ofD + j]!;
      }
    }
  }
}

/**
 * Layer norm of rows [rows, width]: subtracts the mean, divides by the standard deviation, multiplies by `weight` (+
 * `bias`).
 */
export function layerNorm(
  x: Float64Array,
  weight: Float32Array | Float64Array,
  bias: Float32Array | Float64Array | undefined,
): Float64Array {
  const width = weight.length;
  const out = new Float64Array(x.length);
  for (let from = 0; from < x.length; from += width) {
    let mean = 0;
    for (let j = 0; j < width; j++) mean += x[from + j]! / width;
    let variance = 0;
    for (let j = 0; j < width; j++) variance += (x[from + j]! - mean) ** 2 / width;
    const scale = 1 / Math.sqrt(variance + LAYER_NORM_EPSILON);
    for (let j = 0; j < width; j++) {
      out[from + j] = (x[from + j]! - mean) * scale * weight[j]! + (bias === undefined ? 0 : bias[j]!);
    }
  }
  return out;
}

/** RMS norm of rows [rows, width]: divides by the root mean square, multiplies by `weight` [width]. */
export function rmsNorm(x: Float64Array, weight: Float32Array | Float64Array, epsilon: number): Float64Array {
  const out = new Float64Array(x.length);
  for (let from = 0; from < x.length; from += weight.length) normRow(out, x, from, weight, epsilon);
  return out;
}

function normRow(
  out: Float64Array,
  x: Float64Array,
  from: number,
  weight: Float32Array | Float64Array,
  epsilon: number,
): void {
  const width = weight.length;
  let square = 0;
  for (let j = 0; j < width; j++) square += x[from + j]! ** 2 / width;
  const scale = 1 / Math.sqrt(square + epsilon);
  for (let j = 0; j < width; j++) out[from + j] = x[from + j]! * scale * weight[j]!;
}

/** Applies an activation to each element, in place. */
export function activate(x: Float64Array, kind: Activation): void {
  const of = activations[kind];
  for (let i = 0; i < x.length; i++) x[i] = of(x[i]!);
}

const activations: Readonly<Record<Activation, (x: number) => number>> = {
  gelu: (x) => x * 0.5 * (1 + erf(x * Math.SQRT1_2)),
  gelu_tanh: (x) => 0.5 * x * (1 + Math.tanh(ROOT_2_OVER_PI * (x + 0.044715 * x ** 3))),
  silu: (x) => x / (1 + Math.exp(-x)),
  relu: (x) => Math.max(x, 0),
  relu2: (x) => Math.max(x, 0) ** 2,
};

/**
 * Rotates queries and keys in `qkv` by their position, in the half-rotation form, in place.
 * @param frequencies [headDim / 2]
 */
export function rotate(qkv: Float64Array, time: number, of: HeadSizes, frequencies: readonly number[]): void {
  const { headDim } = of;
  const half = headDim / 2;
  const row = rowOf(of);
  for (let t = 0; t < time; t++) {
    for (let head = 0; head < of.heads + of.keyValueHeads; head++) {
      const from = t * row + head * headDim;
      for (let i = 0; i < half; i++) {
        const angle = t * frequencies[i]!;
        const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
        const [real, imaginary] = [qkv[from + i]!, qkv[from + half + i]!];
        qkv[from + i] = real * cos - imaginary * sin;
        qkv[from + half + i] = imaginary * cos + real * sin;
      }
    }
  }
}

/** Applies RMS norm to each head's queries and keys in `qkv`, in place. @param weights both [headDim] */
export function normHeads(
  qkv: Float64Array,
  of: HeadSizes,
  weights: { readonly queries: Float32Array | Float64Array; readonly keys: Float32Array | Float64Array },
  epsilon: number,
): void {
  const { heads, keyValueHeads, headDim } = of;
  for (let row = 0; row < qkv.length; row += rowOf(of)) {
    for (let head = 0; head < heads + keyValueHeads; head++) {
      normRow(qkv, qkv, row + head * headDim, head < heads ? weights.queries : weights.keys, epsilon);
    }
  }
}

/** Computes one head's causal attention weights into `weights` [time, time]: softmax of scaled query-key products. */
export function attentionWeights(
  weights: Float64Array,
  qkv: Float64Array,
  { time, of, head }: { time: number; of: HeadSizes; head: number },
): void {
  const { heads, headDim } = of;
  const row = rowOf(of);
  const scale = 1 / Math.sqrt(headDim);
  weights.fill(0);
  for (let t = 0; t < time; t++) {
    const query = t * row + head * headDim;
    let largest = -Infinity;
    for (let s = 0; s <= t; s++) {
      const key = s * row + (heads + sharedHead(of, head)) * headDim;
      let sum = 0;
      for (let j = 0; j < headDim; j++) sum += qkv[query + j]! * qkv[key + j]!;
      weights[t * time + s] = sum * scale;
      largest = Math.max(largest, sum * scale);
    }
    let total = 0;
    for (let s = 0; s <= t; s++) total += weights[t * time + s] = Math.exp(weights[t * time + s]! - largest);
    for (let s = 0; s <= t; s++) weights[t * time + s]! /= total;
  }
}

/**
 * Multiplies one head's attention weights [time, time] with its values, into its columns of `out` [time, heads ·
 * headDim].
 */
export function attend(
  out: Float64Array,
  weights: Float64Array,
  qkv: Float64Array,
  { time, of, head }: { time: number; of: HeadSizes; head: number },
): void {
  const { heads, keyValueHeads, headDim } = of;
  const row = rowOf(of);
  for (let t = 0; t < time; t++) {
    const to = (t * heads + head) * headDim;
    for (let s = 0; s <= t; s++) {
      const weight = weights[t * time + s]!;
      const value = s * row + (heads + keyValueHeads + sharedHead(of, head)) * headDim;
      for (let j = 0; j < headDim; j++) out[to + j]! += weight * qkv[value + j]!;
    }
  }
}

function rowOf({ heads, keyValueHeads, headDim }: HeadSizes): number {
  return (heads + 2 * keyValueHeads) * headDim;
}

/** Returns the key and value head that a query head uses. */
function sharedHead({ heads, keyValueHeads }: HeadSizes, head: number): number {
  return Math.floor(head / (heads / keyValueHeads));
}

/** Error function, to 1.5e-7. Source: Abramowitz and Stegun, "Handbook of Mathematical Functions", 1964, 7.1.26. */
function erf(x: number): number {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const series = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  return Math.sign(x) * (1 - series * Math.exp(-x * x));
}
