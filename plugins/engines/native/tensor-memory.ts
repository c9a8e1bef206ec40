import { loadBinding } from './binding.js';
import { sizeClass } from './pool.js';

let allocate: ((bytes: number) => ArrayBuffer) | undefined;

/**
 * Returns uncleared memory of at least `bytes` bytes, for an array that the native engine can take over without a copy;
 * ordinary memory if its addon does not load.
 * @throws RangeError if memory is short
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
