import { fileURLToPath } from 'node:url';
import load from 'node-gyp-build';
import type { Activation } from '../../ops/contract.js';
import type { Numbers } from './numbers.js';

type Floats = Float32Array;

/** Which variant of the kernels is in use. */
export interface Variant {
  readonly name: string;
  /** The processor has an instruction for products of bfloat16. */
  readonly multipliesBf16: boolean;
}

/**
 * The addon. Sizes come first, then inputs, then the outputs that it fills; it throws when an array
 * does not have the length that the sizes say. `bf16`: operands of products are rounded to bfloat16.
 */
export interface NativeBinding {
  /**
   * y [m, n] = a · b (+ bias [n]) (+ residual [m, n]); a [m, k] or, transposed, [k, m]; b [k, n] or [n, k].
   * @param activation a stands for what this makes of it
   * @param slopeOf an activation, where there is `slopeAt`
   * @param slopeAt [m, n]; the result is multiplied by that activation's slope there
   */
  matrixProduct(
    m: number,
    n: number,
    k: number,
    transposeA: boolean,
    transposeB: boolean,
    bf16: boolean,
    activation: Activation | undefined,
    slopeOf: Activation | undefined,
    a: Floats,
    b: Floats,
    bias: Floats | undefined,
    residual: Floats | undefined,
    slopeAt: Floats | undefined,
    y: Floats,
  ): void;
  /** The same of few rows of a: what a row gives does not depend on their number. */
  rowProduct(
    m: number,
    n: number,
    k: number,
    transposeB: boolean,
    bf16: boolean,
    activationOfA: Activation | undefined,
    a: Floats,
    b: Floats,
    bias: Floats | undefined,
    residual: Floats | undefined,
    y: Floats,
  ): void;
  /** b [k, n] or, transposed, [n, k] in bfloat16, laid out for `keptProduct` of this variant. */
  keepMatrix(n: number, k: number, transposeB: boolean, b: Floats): ArrayBuffer;
  /** As `rowProduct`, of a matrix that was kept. */
  keptProduct(
    m: number,
    n: number,
    k: number,
    activationOfA: Activation | undefined,
    a: Floats,
    kept: ArrayBuffer,
    bias: Floats | undefined,
    residual: Floats | undefined,
    y: Floats,
  ): void;
  /** qkv [texts, 3 · heads · part] of one position; keys and values [texts, capacity, heads · part] take it up. */
  nextAttention(
    texts: number,
    heads: number,
    part: number,
    capacity: number,
    position: number,
    qkv: Floats,
    keys: Floats,
    values: Floats,
    y: Floats,
  ): void;
  /** qkv [batch, time, 3 · heads · part] → y [batch, time, heads · part], logSum [batch, heads, time]. */
  attention(
    ...call: [...AttentionSizes, ...DropoutArguments, bf16: boolean, qkv: Floats, y: Floats, logSum: Floats]
  ): void;
  attentionGradient(
    ...call: [
      ...AttentionSizes,
      ...DropoutArguments,
      bf16: boolean,
      dy: Floats,
      qkv: Floats,
      logSum: Floats,
      dqkv: Floats,
    ]
  ): void;
  layerNorm(
    rows: number,
    columns: number,
    epsilon: number,
    x: Floats,
    weight: Floats,
    bias: Floats | undefined,
    y: Floats,
  ): void;
  layerNormGradient(
    rows: number,
    columns: number,
    epsilon: number,
    dy: Floats,
    x: Floats,
    weight: Floats,
    dx: Floats,
    dWeight: Floats,
    dBias: Floats,
  ): void;
  activation(kind: Activation, size: number, x: Floats, y: Floats): void;
  activationGradient(kind: Activation, size: number, dy: Floats, x: Floats, dx: Floats): void;
  /** y = what the activation makes of gate, times up. */
  gated(kind: Activation, size: number, gate: Floats, up: Floats, y: Floats): void;
  gatedGradient(kind: Activation, size: number, dy: Floats, gate: Floats, up: Floats, dGate: Floats, dUp: Floats): void;
  rmsNorm(rows: number, columns: number, epsilon: number, x: Floats, weight: Floats, y: Floats): void;
  rmsNormGradient(
    rows: number,
    columns: number,
    epsilon: number,
    dy: Floats,
    x: Floats,
    weight: Floats,
    dx: Floats,
    dWeight: Floats,
  ): void;
  /** The mean [1] over targets that are not -1. */
  crossEntropy(rows: number, classes: number, logits: Floats, targets: Int32Array, logSum: Floats, mean: Floats): void;
  crossEntropyGradient(
    rows: number,
    classes: number,
    dy: Floats,
    logits: Floats,
    targets: Int32Array,
    logSum: Floats,
    gradient: Floats,
  ): void;
  embedding(count: number, width: number, rows: number, ids: Int32Array, table: Floats, y: Floats): void;
  embeddingGradient(count: number, width: number, rows: number, ids: Int32Array, dy: Floats, gradient: Floats): void;
  /**
   * The element at the sum of coordinates times the steps in y is that at the sum times the steps in x.
   * @param layout sizes, steps in x, steps in y (`rank` of each), offset in x, offset in y
   */
  copy(rank: number, layout: Int32Array, x: Numbers, y: Numbers): void;
  fill(size: number, value: number, y: Numbers): void;
  /**
   * x [outer, size, inner], none of them 0, → y [outer, inner], and that again by the next three sizes; a sum of floats, or
   * one that becomes floats, is multiplied by `scale`.
   */
  reduce(kind: number, steps: number, sizes: Int32Array, scale: number, x: Numbers, y: Numbers): void;
  /** Of each row of x [rows, columns]. */
  softmax(rows: number, columns: number, x: Floats, y: Floats): void;
  /** Sums, or products, along the middle axis of x [outer, size, inner]. */
  running(
    isProduct: boolean,
    isExclusive: boolean,
    isReverse: boolean,
    outer: number,
    size: number,
    inner: number,
    x: Numbers,
    y: Numbers,
  ): void;
  /** y [batch, outer, count, slice] = x [batch, outer, size, slice] at ids [batch, count]. */
  gather(
    batch: number,
    outer: number,
    size: number,
    count: number,
    slice: number,
    ids: Int32Array,
    x: Numbers,
    y: Numbers,
  ): void;
  /** y [count, slice]: slices of x [...sizes, slice] at ids [count, depth]. */
  gatherNd(
    count: number,
    depth: number,
    sizes: Int32Array,
    slice: number,
    ids: Int32Array,
    x: Numbers,
    y: Numbers,
  ): void;
  /** Slices of x [count, slice], added to, or put into, those of y [...sizes, slice] at ids [count, depth]. */
  scatter(
    adds: boolean,
    leavesOutOthers: boolean,
    count: number,
    depth: number,
    sizes: Int32Array,
    slice: number,
    ids: Int32Array,
    x: Numbers,
    y: Numbers,
  ): void;
  /** y [count, depth]: `on` at each of ids [count] that is within the depth, else `off`. */
  oneHot(count: number, depth: number, on: number, off: number, ids: Int32Array, y: Numbers): void;
  /** The k largest of each row of x [rows, columns]; of equal ones the first. */
  topK(rows: number, columns: number, k: number, x: Numbers, values: Numbers, indices: Int32Array): void;
  /** y [batches, m, n]: products of the matrices of a and of b that each batch names, as `matrixProduct` has them. */
  batchedProduct(
    batches: number,
    m: number,
    n: number,
    k: number,
    transposeA: boolean,
    transposeB: boolean,
    bf16: boolean,
    matricesOfA: number,
    matricesOfB: number,
    ofA: Int32Array,
    ofB: Int32Array,
    a: Floats,
    b: Floats,
    bias: Floats | undefined,
    y: Floats,
  ): void;
  /** cos and sin [time, part / 2]; qkv [rows, 3 · heads · part] with rows in steps of time; y may be qkv. */
  rotary(
    rows: number,
    time: number,
    heads: number,
    part: number,
    cos: Floats,
    sin: Floats,
    qkv: Floats,
    y: Floats,
  ): void;
  dropout(size: number, ...call: [...DropoutArguments, x: Floats, y: Floats]): void;
  /** y [outer, inner] = a [outer, inner] + b [inner]. */
  add(outer: number, inner: number, a: Floats, b: Floats, y: Floats): void;
  /** y = a + scale · b; y may be a. */
  addScaled(size: number, scale: number, a: Floats, b: Floats, y: Floats): void;
  /** y = scale [1] · x; y may be x. */
  scale(size: number, scale: Floats, x: Floats, y: Floats): void;
  /** x [outer, inner] → y [inner]. */
  sumOuter(outer: number, inner: number, x: Floats, y: Floats): void;
  /**
   * Elementwise operations, in one pass over memory; see `Elementwise` in src/elementwise_calls.cc for the plan.
   * @param arrays the inputs', then the outputs'
   */
  elementwise(plan: Int32Array, ...arrays: readonly (Floats | Int32Array | Uint8Array)[]): void;
  /** The operations' names, in the order of their numbers. */
  elementwiseNames(): string[];
  /** One update of every parameter; outputs may be inputs. */
  adamwStep(
    learningRate: number,
    beta1: number,
    beta2: number,
    epsilon: number,
    step: number,
    gradientScale: number,
    weightDecays: readonly number[],
    parameters: readonly Floats[],
    gradients: readonly Floats[],
    means: readonly Floats[],
    squares: readonly Floats[],
    newParameters: readonly Floats[],
    newMeans: readonly Floats[],
    newSquares: readonly Floats[],
  ): void;
  globalNorm(tensors: readonly Floats[]): number;
  /** Memory that is not cleared. @throws RangeError when there is not so much */
  allocate(bytes: number): ArrayBuffer;
  /** Threads of every kernel in this process; results do not depend on it. */
  setThreads(threads: number): void;
  /** Takes the variant of that name, the best one for an empty name. @throws Error when it is not there */
  useVariant(name: string): Variant;
  /** Variants that work on this processor, best first. */
  variants(): string[];
}

type AttentionSizes = [batch: number, heads: number, time: number, part: number];
type DropoutArguments = [rate: number, key0: number, key1: number, first: number];

/** The plugin's folder with the addon, seen from `dist`. */
export const addonFolder = fileURLToPath(new URL('../../../../plugins/engines/native', import.meta.url));

let loaded: NativeBinding | undefined;

/** @throws Error when the addon was not built or does not load */
export function loadBinding(): NativeBinding {
  loaded ??= checked(load(addonFolder));
  return loaded;
}

/** A call of one of the addon's functions. */
export interface AddonCall {
  readonly method: (...args: never[]) => unknown;
  readonly args: unknown[];
}

/** The same addon; what is called of it is added to `calls`. */
export function noting(binding: NativeBinding, calls: AddonCall[]): NativeBinding {
  const methods = Object.entries<AddonCall['method']>({ ...binding }).map(([name, method]) => {
    const noted = (...args: unknown[]): unknown => {
      calls.push({ method, args });
      return Reflect.apply(method, undefined, args);
    };
    return [name, noted] as const;
  });
  return checked(Object.fromEntries(methods));
}

function checked(addon: unknown): NativeBinding {
  if (isBinding(addon)) return addon;
  throw new Error(
    `the addon in ${addonFolder} is of another version of espalier; run \`espalier engine install native --force\``,
  );
}

function isBinding(addon: unknown): addon is NativeBinding {
  const names = [
    'matrixProduct',
    'rmsNorm',
    'attention',
    'adamwStep',
    'elementwise',
    'reduce',
    'allocate',
    'useVariant',
    'variants',
  ];
  return typeof addon === 'object' && addon !== null && names.every((name) => name in addon);
}
