/** The elements of a tensor. */
export type Numbers = Float32Array | Int32Array | Uint8Array;

/** What elements of a tensor may be in memory. */
export type NumberType = 'float32' | 'int32' | 'bool';

/** An array of so many elements, in memory that is taken as floats. */
export function numbersOf(dtype: NumberType, length: number, take: (floats: number) => Float32Array): Numbers {
  if (dtype === 'int32') return new Int32Array(take(length).buffer, 0, length);
  if (dtype === 'bool') return new Uint8Array(take(Math.ceil(length / 4)).buffer, 0, length);
  return take(length);
}

export function isNumbers(values: unknown): values is Numbers {
  return values instanceof Float32Array || values instanceof Int32Array || values instanceof Uint8Array;
}
