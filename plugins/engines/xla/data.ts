import { arrayOf, type NumberType } from './kernel.js';
import type { Client, DeviceBuffer, HostArray } from './pjrt/client.js';
import { explained } from './programs.js';
import { sizeOf } from './stablehlo/graph.js';
import type { Value } from './stablehlo/program.js';

/** Tensors up to this size are also kept on the host, where shapes and scalars are read. */
const SMALL = 1024;

/** A pending program that computes or reads data. */
interface Maker {
  flush(): void;
}

/**
 * A tensor's data: on the host until a program reads it, then on the device; the result of a pending program; or, while
 * a program is traced, a value of that program. Several tensors may share it, with different shapes.
 */
export class XlaData {
  refCount = 1;
  /** A pending program that will read the current elements. */
  reader: Maker | undefined;
  #maker: Maker | undefined;
  #buffer: DeviceBuffer | undefined;

  constructor(
    readonly dtype: NumberType,
    /** The shape and type on the device. */
    readonly shape: readonly number[],
    /** The value in the program being traced. */
    readonly value?: Value,
    private hostValues?: HostArray,
  ) {}

  static ofHost(values: ArrayLike<number>, dtype: NumberType, shape: readonly number[]): XlaData {
    const host = arrayOf(dtype, values.length);
    host.set(values);
    return new XlaData(dtype, shape, undefined, host);
  }

  /** The elements, if they are on the host. */
  get host(): HostArray | undefined {
    return this.hostValues;
  }

  get isLarge(): boolean {
    return sizeOf(this.shape) > SMALL;
  }

  /** Returns a copy of the elements for kernels of the cpu backend. @throws UntraceableError while tracing */
  get values(): HostArray {
    if (this.value !== undefined) throw new UntraceableError('its elements are looked at');
    this.finish();
    if (this.hostValues !== undefined) return this.hostValues.slice();
    const values = arrayOf(this.dtype, sizeOf(this.shape));
    explained('XLA does not compute a tensor', () => this.#buffer?.read(values));
    return values;
  }

  /**
   * Returns the device buffer; the first call copies the elements to the device.
   * @param maker a pending program that gets the current elements, though it will replace them
   */
  buffer({ client }: { readonly client: Client }, maker?: Maker): DeviceBuffer {
    if (this.value !== undefined) throw new UntraceableError('it is needed outside of the program');
    this.finish(maker);
    if (this.#buffer === undefined) {
      const host = this.hostValues ?? arrayOf(this.dtype, sizeOf(this.shape));
      this.#buffer = explained('XLA does not take a tensor', () => client.upload(host, this.dtype, this.shape));
      if (this.isLarge) this.hostValues = undefined;
    }
    return this.#buffer;
  }

  /** Sets the pending program that will compute the elements. */
  wait(maker: Maker): void {
    this.#maker = maker;
    this.hostValues = undefined;
  }

  waitsFor(maker: Maker): boolean {
    return this.#maker === maker;
  }

  /** Runs the pending program that computes the elements, except this one. */
  finish(except?: Maker): void {
    if (this.#maker !== except) this.#maker?.flush();
  }

  /** Sets the computed elements. */
  settle(buffer: DeviceBuffer): void {
    this.#buffer?.destroy();
    this.#buffer = buffer;
    this.#maker = undefined;
  }

  free(): void {
    this.reader?.flush();
    this.#maker = undefined;
    this.#buffer?.destroy();
  }
}

/** Thrown for operations that cannot be traced; they run one by one instead. */
export class UntraceableError extends Error {}
