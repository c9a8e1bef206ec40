import type { AlongRows, DataNode, Operand, Operation, View } from './node.js';

/** Longer rows are not worth it: a few of them leave the caches. */
const MOST_COLUMNS = 4096;

/** The rows that a chain of operations is done by. */
export interface Rows {
  readonly count: number;
  readonly columns: number;
}

export function areRows(columns: number): boolean {
  return columns > 1 && columns <= MOST_COLUMNS;
}

/** undefined: no operation that leads to the result goes along rows. */
export function rowsOf(result: DataNode): Rows | undefined {
  const seen = new Set<DataNode>();
  const find = (node: DataNode): Rows | undefined => {
    const { pending, size } = node;
    if (pending === undefined || seen.has(node)) return undefined;
    seen.add(node);
    if (pending.along !== undefined) return ofOperation(pending.along, size);
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

/** Elements of what is read by an operation whose result has so many. */
export function readSize({ along }: Operation, size: number): number {
  return along?.joins === true ? size * along.columns : size;
}

/** Whether an operand is computed in the same pass as what reads `size` elements. */
export function isPart(operand: Operand, size: number, rows: Rows | undefined): boolean {
  const { node, view } = operand;
  const spread = size === rowsSize(rows) ? spreadRows(operand) : undefined;
  const isSpread = spread !== undefined && spread.columns === rows?.columns;
  if (!isSpread && (view !== undefined || node.size !== size)) return false;
  const along = node.pending?.along;
  return along === undefined || isSame(ofOperation(along, node.size), rows);
}

/** undefined: not an element for each row. */
export function spreadRows({ node, view }: Operand): Rows | undefined {
  if (view === undefined || !isSpreading(view)) return undefined;
  const [count = 0, columns = 0] = view.sizes;
  return node.size === count && areRows(columns) ? { count, columns } : undefined;
}

export function rowsSize(rows: Rows | undefined): number | undefined {
  return rows && rows.count * rows.columns;
}

function isSpreading({ sizes, strides }: View): boolean {
  return sizes.length === 2 && strides[0] === 1 && strides[1] === 0;
}

function ofOperation({ columns, joins }: AlongRows, size: number): Rows {
  return { count: joins ? size : size / columns, columns };
}

function isSame(a: Rows, b: Rows | undefined): boolean {
  return a.count === b?.count && a.columns === b.columns;
}
