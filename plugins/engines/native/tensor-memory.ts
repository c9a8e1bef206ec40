import { loadBinding } from './binding.js';
import { sizeClass } from './pool.js';

let allocate: ((bytes: number) => ArrayBuffer) | undefined;

/**
 * Memory of at least so many bytes, not cleared, for an array that the native engine can take over without a copy. Plain
 * memory if its addon does not load.
 * @throws RangeError when memory is short
 */
export function tensorMemory(bytes: number): ArrayBuffer {
  allocate ??= allocator();
  return allocate(bytes);
}

function allocator(): (bytes: number) => ArrayBuffer {
  try {
    const binding = loadBinding();
    return (bytes) => binding.allocate(sizeClass(bytes), false);
  } catch {
    return (bytes) => new ArrayBuffer(bytes);
  }
}
