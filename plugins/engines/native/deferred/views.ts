import type { View } from './node.js';

/**
 * Returns how elements of `shape`, broadcast to `result`, are indexed; undefined if each is at the result's own index.
 * Neighbouring axes with a common stride are merged.
 */
export function broadcastView(shape: readonly number[], result: readonly number[], size: number): View | undefined {
  const own = shape.reduce((product, length) => product * length, 1);
  if (own === size) return undefined;
  if (own === 1) return { sizes: [size], strides: [0] };
  const [sizes, strides]: [number[], number[]] = [[], []];
  let next = 1;
  for (let axis = result.length - 1; axis >= 0; axis--) {
    const length = result[axis] ?? 1;
    const here = shape[axis - result.length + shape.length] ?? 1;
    const stride = here === 1 ? 0 : next;
    next *= here;
    if (length === 1) continue;
    const [inner, innerStride] = [sizes[0], strides[0]];
    if (inner !== undefined && innerStride !== undefined && stride === inner * innerStride) sizes[0] = inner * length;
    else {
      sizes.unshift(length);
      strides.unshift(stride);
    }
  }
  return { sizes, strides };
}
