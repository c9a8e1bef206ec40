/** Number format on the network. */
export type Wire = 'f32' | 'bf16';

/** Bytes per number. */
export const bytesOf: Readonly<Record<Wire, number>> = { f32: 4, bf16: 2 };

/** Numbers in the format in which they are sent. */
export interface Packed {
  /** The bytes to send. */
  readonly bytes: Uint8Array;
  /** Writes numbers at an index. */
  set(values: Float32Array, at: number): void;
  /** Adds `count` numbers from an index on to `sums`. */
  addTo(sums: Float64Array, at: number, count: number): void;
  /** Copies numbers from an index on. */
  copyTo(into: Float32Array, at: number): void;
}

/** Allocates space for `length` numbers. */
export function packed(wire: Wire, length: number): Packed {
  return wire === 'f32' ? new PackedF32(length) : new PackedBf16(length);
}

class PackedF32 implements Packed {
  readonly bytes: Uint8Array;
  readonly #values: Float32Array;

  constructor(length: number) {
    this.#values = new Float32Array(new ArrayBuffer(4 * length));
    this.bytes = new Uint8Array(this.#values.buffer);
  }

  set(values: Float32Array, at: number): void {
    this.#values.set(values, at);
  }

  addTo(sums: Float64Array, at: number, count: number): void {
    const values = this.#values;
    for (let i = 0; i < count; i++) sums[i] = (sums[i] ?? 0) + (values[at + i] ?? 0);
  }

  copyTo(into: Float32Array, at: number): void {
    into.set(this.#values.subarray(at, at + into.length));
  }
}

/** The upper half of a float32, rounded to nearest, ties to even. */
class PackedBf16 implements Packed {
  readonly bytes: Uint8Array;
  readonly #halves: Uint16Array;
  /** One number, as float32 and as its bits. */
  readonly #value = new Float32Array(1);
  readonly #bits = new Uint32Array(this.#value.buffer);

  constructor(length: number) {
    this.#halves = new Uint16Array(new ArrayBuffer(2 * length));
    this.bytes = new Uint8Array(this.#halves.buffer);
  }

  set(values: Float32Array, at: number): void {
    const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
    const halves = this.#halves;
    for (let i = 0; i < values.length; i++) halves[at + i] = rounded(bits[i] ?? 0);
  }

  addTo(sums: Float64Array, at: number, count: number): void {
    const [halves, value, bits] = [this.#halves, this.#value, this.#bits];
    for (let i = 0; i < count; i++) {
      bits[0] = (halves[at + i] ?? 0) << 16;
      sums[i] = (sums[i] ?? 0) + (value[0] ?? 0);
    }
  }

  copyTo(into: Float32Array, at: number): void {
    const bits = new Uint32Array(into.buffer, into.byteOffset, into.length);
    for (let i = 0; i < into.length; i++) bits[i] = (this.#halves[at + i] ?? 0) << 16;
  }
}

function rounded(bits: number): number {
  // NaN stays NaN: rounding could carry it to infinity.
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40;
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}
