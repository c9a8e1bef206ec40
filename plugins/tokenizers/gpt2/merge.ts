/** Rank of a pair that is not a token: above every id. */
const NO_RANK = 2 ** 20;
const POSITIONS = 2 ** 32;

/**
 * Byte pair encoding of one piece: merges the pair with the lowest rank, leftmost first, until no pair is a token. A
 * heap of pairs makes it n log n: a piece may be a megabyte without a space.
 * @param bytes the piece's bytes, as a latin1 string
 * @param ids every token's id, which is its rank, by its bytes; each single byte is a token
 */
export function mergePairs(bytes: string, ids: ReadonlyMap<string, number>): number[] {
  const whole = ids.get(bytes);
  if (whole !== undefined) return [whole];
  const { length } = bytes;
  // Each live index starts a part; `ends[start]` is its end, where the next part starts.
  const ends = Int32Array.from({ length }, (_, at) => at + 1);
  const before = Int32Array.from({ length }, (_, at) => at - 1);
  const ranks = new Int32Array(length).fill(NO_RANK);
  const heap = new Heap();
  const rank = (start: number): void => {
    const middle = ends[start] ?? length;
    const value = middle < length ? (ids.get(bytes.slice(start, ends[middle])) ?? NO_RANK) : NO_RANK;
    ranks[start] = value;
    if (value !== NO_RANK) heap.push(value * POSITIONS + start);
  };
  for (let start = 0; start < length - 1; start++) rank(start);
  for (let best = heap.pop(); best !== undefined; best = heap.pop()) {
    const start = best % POSITIONS;
    // Stale entry: the pair has been merged, or its rank has changed.
    if (ranks[start] !== (best - start) / POSITIONS) continue;
    const middle = ends[start] ?? length;
    const end = ends[middle] ?? length;
    ranks[middle] = NO_RANK;
    ends[start] = end;
    if (end < length) before[end] = start;
    rank(start);
    const previous = before[start] ?? -1;
    if (previous >= 0) rank(previous);
  }
  const found: number[] = [];
  for (let start = 0; start < length; start = ends[start] ?? length) {
    const id = ids.get(bytes.slice(start, ends[start]));
    if (id === undefined) throw new Error(`no token for the bytes at ${String(start)}: the vocabulary lacks a byte`);
    found.push(id);
  }
  return found;
}

/** A min-heap of numbers. */
class Heap {
  readonly #items: number[] = [];

  push(item: number): void {
    const items = this.#items;
    let at = items.push(item) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = items[parent] ?? 0;
      if (above <= item) break;
      items[at] = above;
      at = parent;
    }
    items[at] = item;
  }

  pop(): number | undefined {
    const items = this.#items;
    const first = items[0];
    const last = items.pop();
    if (last === undefined || items.length === 0) return first;
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      const right = left + 1;
      const child = (items[right] ?? Infinity) < (items[left] ?? Infinity) ? right : left;
      const below = items[child] ?? Infinity;
      if (below >= last) break;
      items[at] = below;
      at = child;
    }
    items[at] = last;
    return first;
  }
}
