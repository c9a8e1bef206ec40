import cpu = require('@tensorflow/tfjs-backend-cpu');
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { tf } from '../../../core/index.js';
import { isNumbers, type Numbers } from './numbers.js';

/** tfjs's cpu backend, with direct access to tensors' elements for kernels. */
export abstract class ReadableBackend extends cpu.MathBackendCPU {
  /** Returns the elements themselves. @throws Error for a tensor that is disposed, or of another type */
  floats(tensor: TensorInfo): Float32Array {
    const values = this.#valuesOf(tensor);
    if (!(values instanceof Float32Array)) throw new Error(`a float32 tensor is needed, not ${tensor.dtype}`);
    return values;
  }

  /** Returns the elements of an int32 tensor. @throws Error for a tensor that is disposed, or of another type */
  integers(tensor: TensorInfo): Int32Array {
    const values = this.#valuesOf(tensor);
    if (!(values instanceof Int32Array)) throw new Error(`an int32 tensor is needed, not ${tensor.dtype}`);
    return values;
  }

  /**
   * Returns the elements of an int32 or bool tensor. @throws Error for a tensor that is disposed, or of another type
   */
  numbers(tensor: TensorInfo): Int32Array | Uint8Array | Float32Array {
    const values = this.#valuesOf(tensor);
    if (values instanceof Int32Array || values instanceof Uint8Array) return values;
    // The cpu backend's one-hot tensors hold floats although declared as integers.
    if (values instanceof Float32Array && tensor.dtype !== 'float32') return values;
    throw new Error(`an int32 or bool tensor is needed, not ${tensor.dtype}`);
  }

  /** Returns the elements, whatever their type. @throws Error for a tensor that is disposed */
  array(tensor: TensorInfo): Numbers {
    const values = this.#valuesOf(tensor);
    if (isNumbers(values)) return values;
    throw new Error(`numbers or truths are needed, not ${tensor.dtype}`);
  }

  #valuesOf({ dataId, shape }: TensorInfo): unknown {
    // Data of another backend may still be moved here by `get`.
    if (!this.data.has(dataId) && !tf.engine().state.tensorInfo.has(dataId))
      throw new Error(`a tensor of shape [${shape.join(', ')}] is used after it was disposed`);
    return this.data.get(dataId).values;
  }
}
