/** Rows compared at a time: two blocks fit in the processor's cache. */
const BLOCK = 32;

/** Returns rows `ids` of `values` [any, width] scaled to length 1, as [ids, width]; rows of zeros stay zeros. */
export function unitRows(values: Float32Array | Float64Array, width: number, ids: Int32Array): Float64Array {
  const rows = new Float64Array(ids.length * width);
  for (let i = 0; i < ids.length; i++) {
    const from = ids[i]! * width;
    let squares = 0;
    for (let j = 0; j < width; j++) squares += values[from + j]! ** 2;
    const scale = squares > 0 ? 1 / Math.sqrt(squares) : 0;
    for (let j = 0; j < width; j++) rows[i * width + j] = scale * values[from + j]!;
  }
  return rows;
}

/**
 * Computes the cosine similarity of each pair of `count` unit rows [count, width].
 * @returns similarities in no order [count · (count - 1) / 2], and each row's number of rows with one above `near`
 * [count]
 */
export function pairwiseCosines(
  rows: Float64Array,
  count: number,
  near: number,
): { similarities: Float64Array; neighbours: Float64Array } {
  const width = rows.length / count;
  const similarities = new Float64Array((count * (count - 1)) / 2);
  const neighbours = new Float64Array(count);
  let pair = 0;
  for (let first = 0; first < count; first += BLOCK) {
    for (let second = first; second < count; second += BLOCK) {
      for (let a = first; a < Math.min(first + BLOCK, count); a++) {
        for (let b = Math.max(a + 1, second); b < Math.min(second + BLOCK, count); b++) {
          let cosine = 0;
          for (let j = 0; j < width; j++) cosine += rows[a * width + j]! * rows[b * width + j]!;
          similarities[pair++] = cosine;
          if (cosine > near) {
            neighbours[a]!++;
            neighbours[b]!++;
          }
        }
      }
    }
  }
  return { similarities, neighbours };
}

/** Returns the mean cosine similarity of corresponding rows of two matrices [rows, width]. */
export function meanRowCosine(a: Float32Array | Float64Array, b: Float32Array | Float64Array, width: number): number {
  let sum = 0;
  for (let from = 0; from < a.length; from += width) {
    let [product, ofA, ofB] = [0, 0, 0];
    for (let j = from; j < from + width; j++) {
      product += a[j]! * b[j]!;
      ofA += a[j]! ** 2;
      ofB += b[j]! ** 2;
    }
    if (product !== 0) sum += product / Math.sqrt(ofA * ofB);
  }
  return sum / (a.length / width);
}
