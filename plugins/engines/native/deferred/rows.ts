import type { DataNode, Operand, Operation } from './node.js';

/** Longer rows do not pay, because a few of them exceed the caches. */
const MOST_COLUMNS = 4096;

export function areRows(columns: number): boolean {
  return columns > 1 && columns <= MOST_COLUMNS;
}

/** Returns the number of rows by which a chain is computed; undefined if none of its operations goes along rows. */
export function rowsOf(result: DataNode): number | undefined {
  const seen = new Set<DataNode>();
  const find = (node: DataNode): number | undefined => {
    const { pending, size } = node;
    if (pending === undefined || seen.has(node)) return undefined;
    seen.add(node);
    if (pending.along !== undefined) return size / pending.along;
    for (const operand of pending.operands) {
      const spread = spreadRows(operand);
      if (spread !== undefined && operand.node.pending !== undefined) return spread;
      const found = operand.view === undefined && operand.node.size === size ? find(operand.node) : undefined;
      if (found !== undefined) return found;
    }
    return undefined;
  };
  return find(result);
}

/** Returns how many elements of an operand a result of `size` elements reads. */
export function readSize({ along }: Operation, size: number, operand: Operand): number {
  return along === undefined ? size : operand.node.size;
}

/** Returns whether an operand is computed in the same pass as its reader of `size` elements. */
export function isPart(operand: Operand, size: number, rows: number | undefined): boolean {
  const { node, view } = operand;
  const isSpread = rows !== undefined && spreadRows(operand) === rows;
  if (!isSpread && (view !== undefined || node.size !== size)) return false;
  const along = node.pending?.along;
  return along === undefined || node.size / along === rows;
}

/** Returns the number of rows if an operand has one element per row; otherwise undefined. */
function spreadRows({ node, view }: Operand): number | undefined {
  if (view?.sizes.length !== 2 || view.strides[0] !== 1 || view.strides[1] !== 0) return undefined;
  const [rows = 0, columns = 0] = view.sizes;
  return node.size === rows && areRows(columns) ? rows : undefined;
}
