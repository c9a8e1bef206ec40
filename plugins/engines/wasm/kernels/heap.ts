import wasm = require('@tensorflow/tfjs-backend-wasm');
import { tf } from '../../../../core/index.js';
import type { Attributes, KernelInputs } from '../../../ops/contract.js';

/** A kernel in plain JavaScript on the wasm backend's memory. */
export interface HeapKernel {
  readonly name: string;
  readonly compute: (inputs: KernelInputs, attributes: Attributes, heap: Heap) => tf.TensorInfo | tf.TensorInfo[];
}

/** The wasm backend's memory. Allocate before taking views: an allocation may move the memory and invalidate them. */
export class Heap {
  constructor(private readonly backend: wasm.BackendWasm) {}

  /** Allocates a tensor, not cleared. */
  allocate(shape: number[]): tf.TensorInfo {
    return this.backend.makeOutput(shape, 'float32');
  }

  free(tensor: tf.TensorInfo): void {
    this.backend.disposeData(tensor.dataId);
  }

  /** Returns a tensor's elements, valid until the next allocation. */
  floats(tensor: tf.TensorInfo): Float32Array {
    const view = this.backend.typedArrayFromHeap(tensor);
    if (!(view instanceof Float32Array)) throw new Error(`a float32 tensor is needed, not ${tensor.dtype}`);
    return view;
  }

  /** Returns an int32 tensor's elements, valid until the next allocation. */
  integers(tensor: tf.TensorInfo): Int32Array {
    const view = this.backend.typedArrayFromHeap(tensor);
    if (!(view instanceof Int32Array)) throw new Error(`an int32 tensor is needed, not ${tensor.dtype}`);
    return view;
  }

  /** Multiplies [rows, inner] · [inner, columns] by the backend's fast path: untransposed, two-dimensional. */
  product(a: tf.TensorInfo, b: tf.TensorInfo): tf.TensorInfo {
    const product = tf.getKernel('BatchMatMul', 'wasm').kernelFunc({
      inputs: { a, b },
      backend: this.backend,
      attrs: { transposeA: false, transposeB: false },
    });
    return Array.isArray(product) ? only(product) : product;
  }

  /** Transposes [rows, columns]. */
  transpose(x: tf.TensorInfo): tf.TensorInfo {
    const [rows, columns] = sizes(x.shape);
    const y = this.allocate([columns, rows]);
    transposeInto(this.floats(x), this.floats(y), rows, columns);
    return y;
  }
}

/** Returns the heap of the backend that a kernel was called with. */
export function heapOf(backend: object): Heap {
  return new Heap(backendOf(backend));
}

export function backendOf(backend: object): wasm.BackendWasm {
  if (backend instanceof wasm.BackendWasm) return backend;
  throw new Error('the wasm kernels were called with another backend');
}

/** Returns the product of all axes but the last, and the last. */
export function sizes(shape: readonly number[]): [rows: number, columns: number] {
  const columns = shape.at(-1) ?? 1;
  return [shape.slice(0, -1).reduce((product, size) => product * size, 1), columns];
}

/** Copies rows with strides within the backend's memory. */
export function copyRows(
  from: Float32Array,
  fromStride: number,
  to: Float32Array,
  toStride: number,
  { rows, length }: { rows: number; length: number },
): void {
  const memory = new Float32Array(from.buffer);
  let [source, target] = [from.byteOffset / BYTES, to.byteOffset / BYTES];
  for (let row = 0; row < rows; row++, source += fromStride, target += toStride) {
    memory.copyWithin(target, source, source + length);
  }
}

const BYTES = Float32Array.BYTES_PER_ELEMENT;
const TILE = 16;

function transposeInto(x: Float32Array, y: Float32Array, rows: number, columns: number): void {
  for (let top = 0; top < rows; top += TILE) {
    const bottom = Math.min(top + TILE, rows);
    for (let left = 0; left < columns; left += TILE) {
      const right = Math.min(left + TILE, columns);
      for (let column = left; column < right; column++) {
        for (let row = top; row < bottom; row++) y[column * rows + row] = x[row * columns + column]!;
      }
    }
  }
}

function only<T>(list: readonly T[]): T {
  const [first] = list;
  if (first === undefined) throw new Error('a kernel gave no tensor');
  return first;
}
