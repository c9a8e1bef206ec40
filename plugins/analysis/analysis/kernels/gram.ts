/**
 * Returns the smaller of W Wᵀ and Wᵀ W for W [rows, columns], row-major.
 * @returns [n, n], row-major, where n = min(rows, columns)
 */
export function smallerGram(values: Float32Array | Float64Array, rows: number, columns: number): Float64Array {
  return rows <= columns
    ? rowProducts(Float64Array.from(values), rows, columns)
    : rowProducts(transposed(values, rows, columns), columns, rows);
}

/**
 * Returns the dot products of all pairs of rows of `x` [count, width]. Works on 2 × 2 rows, so each number is loaded
 * half as often.
 */
function rowProducts(x: Float64Array, count: number, width: number): Float64Array {
  const gram = new Float64Array(count * count);
  for (let i = 0; i < count; i += 2) {
    // With an odd count the last row is paired with itself.
    const below = Math.min(i + 1, count - 1);
    for (let j = 0; j <= i; j += 2) {
      const beside = Math.min(j + 1, count - 1);
      let upperLeft = 0;
      let upperRight = 0;
      let lowerLeft = 0;
      let lowerRight = 0;
      for (let k = 0; k < width; k++) {
        const upper = x[i * width + k]!;
        const lower = x[below * width + k]!;
        const left = x[j * width + k]!;
        const right = x[beside * width + k]!;
        upperLeft += upper * left;
        upperRight += upper * right;
        lowerLeft += lower * left;
        lowerRight += lower * right;
      }
      gram[i * count + j] = gram[j * count + i] = upperLeft;
      gram[i * count + beside] = gram[beside * count + i] = upperRight;
      gram[below * count + j] = gram[j * count + below] = lowerLeft;
      gram[below * count + beside] = gram[beside * count + below] = lowerRight;
    }
  }
  return gram;
}

function transposed(values: Float32Array | Float64Array, rows: number, columns: number): Float64Array {
  const out = new Float64Array(values.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) out[column * rows + row] = values[row * columns + column]!;
  }
  return out;
}
