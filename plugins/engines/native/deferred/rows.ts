import type { DataNode, Operand, Operation } from './node.js';

/** Longer rows are not worth it: a few of them leave the caches. */
const MOST_COLUMNS = 4096;

export function areRows(columns: number): boolean {
  return columns > 1 && columns <= MOST_COLUMNS;
}

/** How many rows a chain of operations is done by; undefined: none that leads to the result goes along rows. */
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

/** Elements of an operand that are read for a result of so many. */
export function readSize({ along }: Operation, size: number, operand: Operand): number {
  return along === undefined ? size : operand.node.size;
}

/** Whether an operand is computed in the same pass as what reads `size` elements of it. */
export function isPart(operand: Operand, size: number, rows: number | undefined): boolean {
  const { node, view } = operand;
  const isSpread = rows !== undefined && spreadRows(operand) === rows;
  if (!isSpread && (view !== undefined || node.size !== size)) return false;
  const along = node.pending?.along;
  return along === undefined || node.size / along === rows;
}

/** How many rows have one element each of an operand that is read along them; undefined: it is not read so. */
function spreadRows({ node, view }: Operand): number | undefined {
  if (view?.sizes.length !== 2 || view.strides[0] !== 1 || view.strides[1] !== 0) return undefined;
  const [rows = 0, columns = 0] = view.sizes;
  return node.size === rows && areRows(columns) ? rows : undefined;
}
