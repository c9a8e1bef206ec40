/** The elements of a tensor. */
export type Numbers = Float32Array | Int32Array | Uint8Array;

/** Element types of tensors. */
export type NumberType = 'float32' | 'int32' | 'bool';

/** Returns an array of that type and length, in memory that is allocated as floats. */
export function numbersOf(dtype: NumberType, length: number, take: (floats: number) => Float32Array): Numbers {
  if (dtype === 'int32') return new Int32Array(take(length).buffer, 0, length);
  if (dtype === 'bool') return new Uint8Array(take(Math.ceil(length / 4)).buffer, 0, length);
  return take(length);
}

export function isNumbers(values: unknown): values is Numbers {
  return values instanceof Float32Array || values instanceof Int32Array || values instanceof Uint8Array;
}
