import type { NativeBinding } from './binding.js';
import type { Numbers } from './numbers.js';

/** Idle memory below this is kept whatever the run's size. */
const ALWAYS_KEPT = 64 * 2 ** 20;
const BYTES = 4;

/**
 * Float arrays that are used again: a training step allocates nothing after the first.
 * Arrays come in sizes of eight to a doubling, so that runs with many shapes share them.
 */
export class FloatPool {
  readonly #idle = new IdleBuffers();
  /** Buffers that tensors of the backend own now, with their tensor's id. */
  readonly #owners = new Map<ArrayBufferLike, object>();
  #idleBytes = 0;
  #usedBytes = 0;
  #mostUsedBytes = 0;

  constructor(private readonly binding: NativeBinding) {}

  /** An array that is not cleared. @throws RangeError when memory is short */
  take(length: number): Float32Array {
    const bytes = sizeClass(length * BYTES);
    const buffer = this.#idle.pop(bytes);
    if (buffer !== undefined) this.#idleBytes -= bytes;
    const taken = buffer ?? this.binding.allocate(bytes, true);
    this.#use(bytes);
    return new Float32Array(taken, 0, length);
  }

  /** Whether the array's memory can be the pool's from now on, as if it had been taken: it has a size of the pool. */
  takeOver({ buffer, byteOffset, byteLength }: Float32Array): boolean {
    const fits = buffer instanceof ArrayBuffer && byteOffset === 0 && buffer.byteLength === sizeClass(byteLength);
    if (!fits || this.#owners.has(buffer)) return false;
    this.#use(buffer.byteLength);
    return true;
  }

  /** The array is the memory of that tensor data. */
  own(array: ArrayBufferView, dataId: object): void {
    this.#owners.set(array.buffer, dataId);
  }

  ownerOf(array: ArrayBufferView): object | undefined {
    return this.#owners.get(array.buffer);
  }

  /** Leaves the array to the garbage collector when its tensors are gone: something else sees it too. */
  abandon(array: ArrayBufferView): void {
    if (this.#owners.delete(array.buffer)) this.#usedBytes -= array.buffer.byteLength;
  }

  /** Takes an array back; nobody may look at it any more. */
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

/** Memory of a pool that stays with what is done over and over. */
export class Lease {
  readonly #idle = new IdleBuffers();
  readonly #all: Float32Array[] = [];

  constructor(private readonly pool: FloatPool) {}

  /** An array that is not cleared. @throws RangeError when memory is short */
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

  /** Everything goes back to the pool. */
  end(): void {
    for (const array of this.#all.splice(0)) {
      this.pool.own(array, this);
      this.pool.giveBack(array);
    }
    this.#idle.clear();
  }
}

/** Buffers that nobody uses now, by size; the one that was used last comes first. */
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

/** The next size of 2ⁿ · (8 … 15) / 8, at least a cache line. */
export function sizeClass(bytes: number): number {
  if (bytes <= 64) return 64;
  const step = 2 ** (Math.floor(Math.log2(bytes)) - 3);
  return Math.ceil(bytes / step) * step;
}
