import type { NativeBinding } from './binding.js';
import type { Numbers } from './numbers.js';

/** Idle memory up to this size is always kept. */
const ALWAYS_KEPT = 64 * 2 ** 20;
const BYTES = 4;

/**
 * Pool of float arrays: after its first step, training allocates nothing. Sizes come in eight classes per doubling, so
 * that runs with many shapes share arrays.
 */
export class FloatPool {
  readonly #idle = new IdleBuffers();
  /** Buffers owned by tensors of the backend, with their tensor's id. */
  readonly #owners = new Map<ArrayBufferLike, object>();
  #idleBytes = 0;
  #usedBytes = 0;
  #mostUsedBytes = 0;

  constructor(private readonly binding: NativeBinding) {}

  /** Returns an array that is not cleared. @throws RangeError if memory is short */
  take(length: number): Float32Array {
    const bytes = sizeClass(length * BYTES);
    const buffer = this.#idle.pop(bytes);
    if (buffer !== undefined) this.#idleBytes -= bytes;
    const taken = buffer ?? this.binding.allocate(bytes, true);
    this.#use(bytes);
    return new Float32Array(taken, 0, length);
  }

  /** Returns whether the pool can adopt the array's memory, which needs a size of the pool. */
  takeOver({ buffer, byteOffset, byteLength }: Float32Array): boolean {
    const fits = buffer instanceof ArrayBuffer && byteOffset === 0 && buffer.byteLength === sizeClass(byteLength);
    if (!fits || this.#owners.has(buffer)) return false;
    this.#use(buffer.byteLength);
    return true;
  }

  /** Records that the array is the memory of a tensor's data. */
  own(array: ArrayBufferView, dataId: object): void {
    this.#owners.set(array.buffer, dataId);
  }

  ownerOf(array: ArrayBufferView): object | undefined {
    return this.#owners.get(array.buffer);
  }

  /** Leaves the array to the garbage collector, because something else can see it. */
  abandon(array: ArrayBufferView): void {
    if (this.#owners.delete(array.buffer)) this.#usedBytes -= array.buffer.byteLength;
  }

  /** Takes an array back; nothing may use it any more. */
  giveBack(array: ArrayBufferView): void {
    const { buffer } = array;
    if (!this.#owners.delete(buffer) || !(buffer instanceof ArrayBuffer)) return;
    const bytes = buffer.byteLength;
    this.#usedBytes -= bytes;
    if (this.#idleBytes + bytes > Math.max(ALWAYS_KEPT, this.#mostUsedBytes)) return;
    this.#idle.push(buffer);
    this.#idleBytes += bytes;
  }

  #use(bytes: number): void {
    this.#usedBytes += bytes;
    this.#mostUsedBytes = Math.max(this.#mostUsedBytes, this.#usedBytes);
  }
}

/** Memory that is reserved for repeated work. */
export class Lease {
  readonly #idle = new IdleBuffers();
  readonly #all: Float32Array[] = [];

  constructor(private readonly pool: FloatPool) {}

  /** Returns an array that is not cleared. @throws RangeError if memory is short */
  take(length: number): Float32Array {
    const idle = this.#idle.pop(sizeClass(length * BYTES));
    if (idle !== undefined) return new Float32Array(idle, 0, length);
    const taken = this.pool.take(length);
    this.#all.push(taken);
    return taken;
  }

  giveBack(array: Numbers): void {
    this.#idle.push(array.buffer);
  }

  /** Returns everything to the pool. */
  end(): void {
    for (const array of this.#all.splice(0)) {
      this.pool.own(array, this);
      this.pool.giveBack(array);
    }
    this.#idle.clear();
  }
}

/** Unused buffers by size, most recently used first. */
class IdleBuffers {
  readonly #lists = new Map<number, ArrayBufferLike[]>();

  pop(bytes: number): ArrayBufferLike | undefined {
    return this.#lists.get(bytes)?.pop();
  }

  push(buffer: ArrayBufferLike): void {
    const list = this.#lists.get(buffer.byteLength);
    if (list === undefined) this.#lists.set(buffer.byteLength, [buffer]);
    else list.push(buffer);
  }

  clear(): void {
    this.#lists.clear();
  }
}

/** Returns the next size of the form 2ⁿ · (8 … 15) / 8, at least a cache line. */
export function sizeClass(bytes: number): number {
  if (bytes <= 64) return 64;
  const step = 2 ** (Math.floor(Math.log2(bytes)) - 3);
  return Math.ceil(bytes / step) * step;
}
