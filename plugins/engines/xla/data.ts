import { arrayOf, type NumberType } from './kernel.js';
import type { Client, DeviceBuffer, HostArray } from './pjrt/client.js';
import { sizeOf } from './stablehlo/graph.js';
import type { Value } from './stablehlo/program.js';

/** Tensors up to this size are also kept on the host, where shapes and scalars are read. */
const SMALL = 1024;

/**
 * A tensor's data: on the host until a program reads it, then on the device, or, while a program is traced,
 * a value of that program. Several tensors may share it, with different shapes.
 */
export class XlaData {
  refCount = 1;
  #host: HostArray | undefined;
  #buffer: DeviceBuffer | undefined;

  private constructor(
    readonly dtype: NumberType,
    /** The shape and type on the device. */
    readonly shape: readonly number[],
    /** The value in the program being traced. */
    readonly value: Value | undefined,
  ) {}

  static ofHost(values: ArrayLike<number>, dtype: NumberType, shape: readonly number[]): XlaData {
    const data = new XlaData(dtype, shape, undefined);
    data.#host = arrayOf(dtype, values.length);
    data.#host.set(values);
    return data;
  }

  static ofDevice(buffer: DeviceBuffer, dtype: NumberType, shape: readonly number[]): XlaData {
    const data = new XlaData(dtype, shape, undefined);
    data.#buffer = buffer;
    return data;
  }

  static ofValue(value: Value, dtype: NumberType): XlaData {
    return new XlaData(dtype, value.shape, value);
  }

  /** The elements, if they are on the host. */
  get host(): HostArray | undefined {
    return this.#host;
  }

  get isLarge(): boolean {
    return sizeOf(this.shape) > SMALL;
  }

  /** Returns a copy of the elements for kernels of the cpu backend. @throws UntraceableError while tracing */
  get values(): HostArray {
    if (this.value !== undefined) throw new UntraceableError('its elements are looked at');
    if (this.#host !== undefined) return this.#host.slice();
    const values = arrayOf(this.dtype, sizeOf(this.shape));
    this.#buffer?.read(values);
    return values;
  }

  /** Returns the device buffer; the first call copies the elements to the device. */
  buffer(client: Client): DeviceBuffer {
    if (this.value !== undefined) throw new UntraceableError('it is needed outside of the program');
    if (this.#buffer === undefined) {
      this.#buffer = client.upload(this.values, this.dtype, this.shape);
      if (this.isLarge) this.#host = undefined;
    }
    return this.#buffer;
  }

  /** Replaces the elements by a buffer that reuses this data's memory. */
  replace(buffer: DeviceBuffer): void {
    this.#buffer?.destroy();
    this.#buffer = buffer;
    this.#host = undefined;
  }

  free(): void {
    this.#buffer?.destroy();
  }
}

/** Thrown for operations that cannot be traced; they run one by one instead. */
export class UntraceableError extends Error {}
