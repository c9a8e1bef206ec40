import { at, Program, type Element, type Form, type Value } from './program.js';

/** Precision of the operands of matrix products; sums are float32. */
export type ProductPrecision = 'f32' | 'bf16';

type Comparison = 'EQ' | 'NE' | 'GE' | 'GT' | 'LE' | 'LT';

/** GPUs multiply faster if lengths, above all the vocabulary, are multiples of this. */
const TILE = 128;

/** Axes of a product: batch axes and contracted axes, as pairs of (axis of a, axis of b). */
export interface ProductAxes {
  readonly batch: readonly (readonly [a: number, b: number])[];
  readonly summed: readonly (readonly [a: number, b: number])[];
}

/** A program with StableHLO operations as methods. Operands have one type and broadcast by NumPy's rules. */
export class Graph extends Program {
  /** By a product's name: the same product with its result in `products`. The unused one of the two is not computed. */
  readonly #narrow = new Map<string, () => Value>();

  constructor(
    readonly products: ProductPrecision,
    /** CUDA's compute capability of the device; 0 on others. */
    readonly capability = 0,
    devices = 1,
  ) {
    super(devices);
  }

  /** Returns a copy to extend. */
  copy(): Graph {
    const copy = new Graph(this.products, this.capability, this.devices);
    copy.take(this);
    return copy;
  }

  /** An elementwise operation such as `exponential`; operands are broadcast. */
  elementwise(name: string, ...operands: Value[]): Value {
    const shape = operands.map((operand) => operand.shape).reduce(broadcastShape);
    return this.operation(
      name,
      operands.map((operand) => this.broadcast(operand, shape)),
      { shape, type: at(operands, 0).type },
    );
  }

  readonly add = this.#arithmetic('add');
  readonly sub = this.#arithmetic('subtract');
  readonly mul = this.#arithmetic('multiply');
  readonly div = this.#arithmetic('divide');
  readonly max = this.#arithmetic('maximum');
  readonly min = this.#arithmetic('minimum');

  compare(how: Comparison, a: Value, b: Value | number): Value {
    const other = this.numbers(b, a);
    const shape = broadcastShape(a.shape, other.shape);
    const both = [a, other].map((operand) => this.broadcast(operand, shape));
    const direction = `comparison_direction = #stablehlo<comparison_direction ${how}>`;
    return this.operation('compare', both, { shape, type: 'i1' }, direction);
  }

  select(condition: Value, yes: Value, no: Value): Value {
    const shape = [condition.shape, yes.shape, no.shape].reduce(broadcastShape);
    const all = [condition, yes, no].map((operand) => this.broadcast(operand, shape));
    return this.operation('select', all, { shape, type: yes.type });
  }

  /** Returns a constant in the form of a value; a value is returned unchanged. */
  numbers(x: Value | number, like: Form): Value {
    return typeof x === 'number' ? this.constant(x, { shape: like.shape, type: like.type }) : x;
  }

  convert(x: Value, type: Element): Value {
    return x.type === type ? x : this.operation('convert', [x], { shape: x.shape, type });
  }

  /** Reinterprets the bits as another type of the same size. */
  bits(x: Value, type: Element): Value {
    return this.operation('bitcast_convert', [x], { shape: x.shape, type });
  }

  reshape(x: Value, shape: readonly number[]): Value {
    if (sameShape(x.shape, shape)) return x;
    const y = this.operation('reshape', [x], { shape, type: x.type });
    const narrow = this.#narrow.get(x.name);
    if (narrow !== undefined) this.#narrow.set(y.name, () => this.reshape(narrow(), shape));
    return y;
  }

  /** @param axes of the result that x's axes become; default: the last ones */
  broadcast(x: Value, shape: readonly number[], axes?: readonly number[]): Value {
    if (sameShape(x.shape, shape)) return x;
    const first = shape.length - x.shape.length;
    const placed = axes ?? x.shape.map((_, axis) => first + axis);
    const dimensions = `broadcast_dimensions = ${list(placed)}`;
    return this.operation('broadcast_in_dim', [x], { shape, type: x.type }, dimensions);
  }

  /** Its axes become the first ones of a shape. */
  broadcastFirst(x: Value, shape: readonly number[]): Value {
    return this.broadcast(x, shape, allAxes(x));
  }

  transpose(x: Value, order: readonly number[]): Value {
    const shape = order.map((axis) => at(x.shape, axis));
    return this.operation('transpose', [x], { shape, type: x.type }, `permutation = ${list(order)}`);
  }

  /** @param strides positive */
  slice(x: Value, starts: readonly number[], limits: readonly number[], strides = starts.map(() => 1)): Value {
    const shape = starts.map((start, axis) => Math.ceil((at(limits, axis) - start) / at(strides, axis)));
    const ranges = `start_indices = ${list(starts)}, limit_indices = ${list(limits)}, strides = ${list(strides)}`;
    return this.operation('slice', [x], { shape, type: x.type }, ranges);
  }

  /** Slices `size` elements from `start` along one axis. */
  part(x: Value, axis: number, start: number, size: number): Value {
    const starts = x.shape.map((_, each) => (each === axis ? start : 0));
    const limits = x.shape.map((length, each) => (each === axis ? start + size : length));
    return this.slice(x, starts, limits);
  }

  concat(parts: readonly Value[], axis: number): Value {
    const { shape, type } = at(parts, 0);
    const size = parts.reduce((sum, part) => sum + at(part.shape, axis), 0);
    const form = { shape: shape.with(axis, size), type };
    return this.operation('concatenate', parts, form, `dimension = ${String(axis)} : i64`);
  }

  reverse(x: Value, axes: readonly number[]): Value {
    return this.operation('reverse', [x], { shape: x.shape, type: x.type }, `dimensions = ${list(axes)}`);
  }

  pad(x: Value, low: readonly number[], high: readonly number[], value: number): Value {
    const shape = x.shape.map((size, axis) => at(low, axis) + size + at(high, axis));
    const zeros = list(low.map(() => 0));
    const padding = `edge_padding_low = ${list(low)}, edge_padding_high = ${list(high)}, interior_padding = ${zeros}`;
    const fill = this.constant(value, { shape: [], type: x.type });
    return this.operation('pad', [x, fill], { shape, type: x.type }, padding);
  }

  /** Returns each element's index along an axis. */
  iota(axis: number, form: Form): Value {
    return this.operation('iota', [], form, `iota_dimension = ${String(axis)} : i64`);
  }

  /** Reduces along axes, which it removes. @param combine an operation such as `add` @param start initial value */
  reduce(x: Value, axes: readonly number[], combine: string, start: number): Value {
    const shape = x.shape.filter((_, axis) => !axes.includes(axis));
    const first = this.constant(start, { shape: [], type: x.type });
    const form = { shape, type: x.type };
    return this.operation('reduce', [x, first], form, `dimensions = ${list(axes)}`, this.combining(combine, x.type));
  }

  sum(x: Value, axes: readonly number[] = allAxes(x)): Value {
    return this.reduce(x, axes, 'add', 0);
  }

  largest(x: Value, axes: readonly number[]): Value {
    return this.reduce(x, axes, 'maximum', x.type === 'i32' ? -(2 ** 31) : -Infinity);
  }

  smallest(x: Value, axes: readonly number[]): Value {
    return this.reduce(x, axes, 'minimum', x.type === 'i32' ? 2 ** 31 - 1 : Infinity);
  }

  /** A region that combines two elements. */
  combining(operation: string, type: Element): string {
    return this.region([type, type], (both) => this.operation(operation, both, { shape: [], type }));
  }

  /**
   * Product of two tensors: batch axes, then a's others, then b's. Rounds operands to `products`; the result is
   * float32.
   */
  product(a: Value, b: Value, axes: ProductAxes): Value {
    const product = this.#product(a, b, axes, 'f32');
    if (this.products !== 'f32') this.#narrow.set(product.name, () => this.#product(a, b, axes, this.products));
    return product;
  }

  /** Returns a product with its result stored in `products`; other values unchanged. */
  narrow(x: Value): Value {
    const narrow = this.#narrow.get(x.name);
    return narrow === undefined ? x : this.convert(narrow(), x.type);
  }

  #arithmetic(name: string): (a: Value, b: Value | number) => Value {
    return (a, b) => this.elementwise(name, a, this.numbers(b, a));
  }

  #product(a: Value, b: Value, { batch, summed }: ProductAxes, type: Element): Value {
    const axesOf = (side: 0 | 1): readonly number[] => [...batch, ...summed].map((pair) => pair[side]);
    const free = (x: Value, side: 0 | 1): number[] => x.shape.filter((_, axis) => !axesOf(side).includes(axis));
    const [left, right] = [this.#operand(a), this.#operand(b)];
    const shapeOf = (x: Value, y: Value): number[] => [
      ...batch.map(([axis]) => at(x.shape, axis)),
      ...free(x, 0),
      ...free(y, 1),
    ];
    const numbers = (name: string, pairs: ProductAxes['batch'], side: 0 | 1): string =>
      `${name}_dimensions = [${pairs.map((pair) => pair[side]).join(', ')}]`;
    const dimensions = [
      numbers('lhs_batching', batch, 0),
      numbers('rhs_batching', batch, 1),
      numbers('lhs_contracting', summed, 0),
      numbers('rhs_contracting', summed, 1),
    ].join(', ');
    // Otherwise a GPU multiplies float32 in TF32, which has 10 of the 23 bits.
    const highest = '#stablehlo<precision HIGHEST>';
    const precision = this.products === 'f32' ? `, precision_config = [${highest}, ${highest}]` : '';
    const form = { shape: shapeOf(left, right), type };
    const how = `dot_dimension_numbers = #stablehlo.dot<${dimensions}>${precision}`;
    const product = this.operation('dot_general', [left, right], form, how);
    const shape = shapeOf(a, b);
    const starts = shape.map(() => 0);
    return sameShape(form.shape, shape) ? product : this.slice(product, starts, shape);
  }

  /** Rounds x, and pads long axes with zeros to a multiple of `TILE`. */
  #operand(x: Value): Value {
    if (this.products === 'f32') return x;
    const high = x.shape.map((size) => (size < 8 * TILE ? 0 : (TILE - (size % TILE)) % TILE));
    const low = high.map(() => 0);
    return this.convert(high.some((size) => size > 0) ? this.pad(x, low, high, 0) : x, this.products);
  }
}

export function allAxes({ shape }: Form): number[] {
  return shape.map((_, axis) => axis);
}

/** `array<i64: 1, 2>` */
export function list(numbers: readonly number[]): string {
  return numbers.length === 0 ? 'array<i64>' : `array<i64: ${numbers.join(', ')}>`;
}

export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** @throws Error if the shapes cannot be broadcast */
export function broadcastShape(a: readonly number[], b: readonly number[]): readonly number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, axis) => {
    const [one, other] = [a, b].map((shape) => shape[axis - rank + shape.length] ?? 1);
    if (one === other || other === 1) return one ?? 1;
    if (one === 1) return other ?? 1;
    throw new Error(`shapes [${String(a)}] and [${String(b)}] cannot be broadcast together`);
  });
}
