/** Returns the product of all axes but the last, and the last. */
export function rowsAndColumns(shape: readonly number[]): [rows: number, columns: number] {
  return [sizeOf(shape.slice(0, -1)), shape.at(-1) ?? 1];
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
