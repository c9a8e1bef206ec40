/** Documents, or pieces of long ones, side by side in rows of a fixed length. */
export interface Packing {
  readonly rows: number;
  /** [rows + 1]: index of each row's first piece. */
  readonly firstPieces: Int32Array;
  /** [pieces]: position of a piece's first input; its targets start one token later. */
  readonly starts: Float64Array;
  /** [pieces]: inputs of a piece. */
  readonly lengths: Int32Array;
  /** Inputs of all pieces; the rest of the rows is padding. */
  readonly inputs: number;
  /** Documents of more than one token; one token alone has no target. */
  readonly documents: number;
  /** Documents that were longer than a row. */
  readonly cut: number;
}

/**
 * Cuts documents longer than a row into pieces of a row's length, then packs the pieces best-fit-decreasing: longest
 * first, each into the fullest row that has room for it. Takes O(n log n).
 * Source: Ding et al., "Fewer truncations improve language modeling", ICML 2024.
 * @param documents where each document begins, ascending
 * @param length total tokens of all documents
 */
export function packDocuments(documents: Float64Array, length: number, rowLength: number): Packing {
  const sizes = Float64Array.from(documents, (start, i) => Math.max(0, (documents[i + 1] ?? length) - start - 1));
  const pieces = sizes.reduce((sum, size) => sum + Math.ceil(size / rowLength), 0);
  const starts = new Float64Array(pieces);
  const lengths = new Int32Array(pieces);
  let piece = 0;
  for (const [i, size] of sizes.entries()) {
    for (let at = 0; at < size; at += rowLength) {
      starts[piece] = (documents[i] ?? 0) + at;
      lengths[piece++] = Math.min(rowLength, size - at);
    }
  }
  const { rowOf, rows } = bestFit(lengths, rowLength);
  const { firsts, order } = grouped(rowOf, rows);
  return {
    rows,
    firstPieces: firsts,
    starts: starts.map((_, i) => starts[order[i] ?? 0] ?? 0),
    lengths: lengths.map((_, i) => lengths[order[i] ?? 0] ?? 0),
    inputs: sizes.reduce((sum, size) => sum + size, 0),
    documents: sizes.reduce((sum, size) => sum + Math.min(1, size), 0),
    cut: sizes.reduce((sum, size) => sum + (size > rowLength ? 1 : 0), 0),
  };
}

function bestFit(lengths: Int32Array, rowLength: number): { rowOf: Int32Array; rows: number } {
  const rowOf = new Int32Array(lengths.length);
  const rooms = new Rooms(rowLength, lengths.length);
  let rows = 0;
  const missing = lengths.map((length) => rowLength - length);
  for (const piece of grouped(missing, rowLength + 1).order) {
    const length = lengths[piece] ?? 0;
    const room = rooms.smallest(length);
    const row = room === undefined ? rows++ : rooms.take(room);
    rowOf[piece] = row;
    rooms.put(row, (room ?? rowLength) - length);
  }
  return { rowOf, rows };
}

/** Sorts items by group, stable within one. @returns where each group begins, and the items in order */
function grouped(groupOf: Int32Array, groups: number): { firsts: Int32Array; order: Int32Array } {
  const firsts = new Int32Array(groups + 1);
  for (const group of groupOf) firsts[group + 1] = (firsts[group + 1] ?? 0) + 1;
  for (let group = 0; group < groups; group++) firsts[group + 1] = (firsts[group + 1] ?? 0) + (firsts[group] ?? 0);
  const next = firsts.slice();
  const order = new Int32Array(groupOf.length);
  for (const [item, group] of groupOf.entries()) {
    const at = next[group] ?? 0;
    order[at] = item;
    next[group] = at + 1;
  }
  return { firsts, order };
}

const NONE = -1;

/** Rows by the room left in them, with a tree over the sizes that finds the smallest sufficient room. */
class Rooms {
  readonly #leaves: number;
  /** A heap-ordered binary tree: 1 if any row below the node has room. */
  readonly #some: Uint8Array;
  /** Linked lists of the rows of each size: the first row, and the row after each row. */
  readonly #first: Int32Array;
  readonly #after: Int32Array;

  constructor(largest: number, rows: number) {
    this.#leaves = 2 ** Math.ceil(Math.log2(largest + 1));
    this.#some = new Uint8Array(2 * this.#leaves);
    this.#first = new Int32Array(this.#leaves).fill(NONE);
    this.#after = new Int32Array(rows).fill(NONE);
  }

  put(row: number, room: number): void {
    if (room === 0) return;
    this.#after[row] = this.#first[room] ?? NONE;
    this.#first[room] = row;
    for (let node = this.#leaves + room; node > 0 && this.#some[node] === 0; node >>= 1) this.#some[node] = 1;
  }

  take(room: number): number {
    const row = this.#first[room] ?? NONE;
    this.#first[room] = this.#after[row] ?? NONE;
    if (this.#first[room] !== NONE) return row;
    for (let node = this.#leaves + room; node > 0; node >>= 1) {
      const isLeaf = node >= this.#leaves;
      if (!isLeaf && (this.#some[2 * node] === 1 || this.#some[2 * node + 1] === 1)) break;
      this.#some[node] = 0;
    }
    return row;
  }

  /** Returns the smallest room of at least `least` that a row has; undefined if there is none. */
  smallest(least: number): number | undefined {
    let node = this.#leaves + least;
    while (this.#some[node] === 0) {
      while ((node & 1) === 1) node >>= 1;
      if (node === 0) return undefined;
      node++;
    }
    while (node < this.#leaves) node = this.#some[2 * node] === 1 ? 2 * node : 2 * node + 1;
    return node - this.#leaves;
  }
}
