import { arrayOf, type NumberType } from './kernel.js';
import type { Client, DeviceBuffer, HostArray } from './pjrt/client.js';
import { sizeOf } from './stablehlo/graph.js';
import type { Value } from './stablehlo/program.js';

/** Elements that stay on the host too, since they are looked at there: shapes, scalars. */
const SMALL = 1024;

/**
 * A tensor's data: on the device once a program has read or made it, on the host before, or, while a program is written,
 * a value in it. Several tensors may have it, each with a shape of its own.
 */
export class XlaData {
  refCount = 1;
  #host: HostArray | undefined;
  #buffer: DeviceBuffer | undefined;

  private constructor(
    readonly dtype: NumberType,
    /** As the device has it. */
    readonly shape: readonly number[],
    /** In the program that is being written. */
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

  /** The elements, where they are on the host. */
  get host(): HostArray | undefined {
    return this.#host;
  }

  get isLarge(): boolean {
    return sizeOf(this.shape) > SMALL;
  }

  /** A copy of the elements: what kernels of the cpu backend read. @throws UntraceableError for a value in a program */
  get values(): HostArray {
    if (this.value !== undefined) throw new UntraceableError('its elements are looked at');
    if (this.#host !== undefined) return this.#host.slice();
    const values = arrayOf(this.dtype, sizeOf(this.shape));
    this.#buffer?.read(values);
    return values;
  }

  /** The elements in the device's memory, to which they go with the first call. */
  buffer(client: Client): DeviceBuffer {
    if (this.value !== undefined) throw new UntraceableError('it is needed outside of the program');
    if (this.#buffer === undefined) {
      this.#buffer = client.upload(this.values, this.dtype, this.shape);
      if (this.isLarge) this.#host = undefined;
    }
    return this.#buffer;
  }

  /** Other elements, in memory that was this data's. */
  replace(buffer: DeviceBuffer): void {
    this.#buffer?.destroy();
    this.#buffer = buffer;
    this.#host = undefined;
  }

  free(): void {
    this.#buffer?.destroy();
  }
}

/** Operations that cannot be written into a program: they are run one by one. */
export class UntraceableError extends Error {}
