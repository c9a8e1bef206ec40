import type { StoredTensor } from '../../../core/index.js';

/** Transposes [rows, columns] to [columns, rows]. */
export function transposed({ shape: [rows = 0, columns = 0], values }: StoredTensor): StoredTensor {
  const turned = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) turned[column * rows + row] = values[row * columns + column] ?? 0;
  }
  return { shape: [columns, rows], values: turned };
}

/** Returns rows `from` to `to` of a matrix, or elements of a vector. */
export function rowsOf({ shape, values }: StoredTensor, from: number, to: number): StoredTensor {
  const [, ...rest] = shape;
  const each = rest.reduce((product, size) => product * size, 1);
  return { shape: [to - from, ...rest], values: values.slice(from * each, to * each) };
}

/** Stacks matrices of equal width, or vectors. */
export function stacked(tensors: readonly StoredTensor[]): StoredTensor {
  const values = new Float32Array(tensors.reduce((sum, tensor) => sum + tensor.values.length, 0));
  let at = 0;
  for (const tensor of tensors) {
    values.set(tensor.values, at);
    at += tensor.values.length;
  }
  const rows = tensors.reduce((sum, { shape: [own = 0] }) => sum + own, 0);
  return { shape: [rows, ...(tensors[0]?.shape.slice(1) ?? [])], values };
}

/** Returns a tensor of zeros. */
export function zeros(shape: readonly number[]): StoredTensor {
  return { shape: [...shape], values: new Float32Array(shape.reduce((size, length) => size * length, 1)) };
}

/** Returns true for equal shapes and numbers; NaN equals itself. */
export function sameTensor(a: StoredTensor, b: StoredTensor): boolean {
  if (String(a.shape) !== String(b.shape)) return false;
  return a.values.every((value, i) => Object.is(value, b.values[i]) || value === b.values[i]);
}
