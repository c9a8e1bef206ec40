import type { MetricTable } from '../../../core/index.js';
import type { Matrix, ModelView } from '../../models/contract.js';
import { pairwiseCosines, unitRows } from './kernels/cosine.js';
import { rowEntropies } from './kernels/entropy.js';
import { alignedSimilarity, rankUtilisation } from './spectra.js';
import { deviation, mean, quantile } from './statistics.js';

/** Two tokens whose embeddings have a cosine similarity over this are neighbours. */
const NEAR = 0.7;

const EMBEDDING = 'analysis/embedding';
const RANK = 'analysis/rank';
const ATTENTION = 'analysis/attention';

const clocked = (unit: string, what: string): MetricTable[string] => ({ unit, what, clock: true });

/** What an analysis publishes. It may be skipped when memory is short: so all of it hangs on the machine. */
export const metrics: MetricTable = {
  [`${EMBEDDING}/tokens`]: clocked('tokens', 'whose embeddings are compared'),
  [`${EMBEDDING}/cosine_mean`]: clocked('', 'cosine similarity of every two token embeddings: mean'),
  [`${EMBEDDING}/cosine_std`]: clocked('', 'the same: standard deviation'),
  [`${EMBEDDING}/cosine_p10`]: clocked('', 'the same: 10th percentile'),
  [`${EMBEDDING}/cosine_p90`]: clocked('', 'the same: 90th percentile'),
  [`${EMBEDDING}/neighbours_mean`]: clocked('tokens', 'others with a similarity over 0.7, by token: mean'),
  [`${EMBEDDING}/neighbours_p10`]: clocked('tokens', 'the same: 10th percentile'),
  [`${EMBEDDING}/neighbours_p90`]: clocked('tokens', 'the same: 90th percentile'),
  [`${EMBEDDING}/neighbours_p99`]: clocked('tokens', 'the same: 99th percentile'),
  'analysis/drift/embedding': clocked('', 'cosine similarity of token embeddings with those before, aligned: mean'),
  [`${RANK}/query`]: clocked('share', 'of singular values that hold 98 % of the energy: mean over the layers'),
  [`${RANK}/key`]: clocked('share', 'the same, of the keys'),
  [`${RANK}/value`]: clocked('share', 'the same, of the values'),
  [`${RANK}/ffn_up`]: clocked('share', 'the same, of the MLP’s first projection'),
  [`${RANK}/ffn_down`]: clocked('share', 'the same, of its second'),
  [`${RANK}/*/layer_*`]: clocked('share', 'the same, of one layer, from 0'),
  [`${ATTENTION}/entropy`]: clocked('nats', 'of attention weights, mean over rows, heads and layers'),
  [`${ATTENTION}/entropy_normalised`]: clocked('share', 'the same, of the most that a row can have'),
  [`${ATTENTION}/entropy/layer_*`]: clocked('nats', 'the entropy of one layer, from 0'),
  [`${ATTENTION}/entropy_normalised/layer_*`]: clocked('share', 'the same, of the most that a row can have'),
  'analysis/seconds': clocked('s', 'that the analysis took, beside training'),
  'analysis/cpu_seconds': clocked('s', 'the time of a core in that'),
};

export interface Question {
  readonly view: ModelView;
  /** The token embedding of the snapshot before, where there was one. */
  readonly before: Matrix | undefined;
  /** Tokens that are compared. */
  readonly ids: Int32Array;
  /** Windows whose attention is measured, [windows, time] row by row. */
  readonly windows: readonly Int32Array[];
}

/** Every measure of one snapshot, by metric name. */
export function measures({ view, before, ids, windows }: Question): Record<string, number> {
  return {
    ...embeddingGeometry(view.tokenEmbedding, ids),
    ...drift(before, view.tokenEmbedding, ids),
    ...ranks(view),
    ...attentionEntropy(view, windows),
  };
}

function embeddingGeometry({ columns, values }: Matrix, ids: Int32Array): Record<string, number> {
  const count = ids.length;
  if (count < 2) return {};
  const { similarities, neighbours } = pairwiseCosines(unitRows(values, columns, ids), count, NEAR);
  similarities.sort();
  neighbours.sort();
  return {
    [`${EMBEDDING}/tokens`]: count,
    [`${EMBEDDING}/cosine_mean`]: mean(similarities),
    [`${EMBEDDING}/cosine_std`]: deviation(similarities),
    [`${EMBEDDING}/cosine_p10`]: quantile(similarities, 0.1),
    [`${EMBEDDING}/cosine_p90`]: quantile(similarities, 0.9),
    [`${EMBEDDING}/neighbours_mean`]: mean(neighbours),
    [`${EMBEDDING}/neighbours_p10`]: quantile(neighbours, 0.1),
    [`${EMBEDDING}/neighbours_p90`]: quantile(neighbours, 0.9),
    [`${EMBEDDING}/neighbours_p99`]: quantile(neighbours, 0.99),
  };
}

/** Nothing where the vocabulary or the width is another than before: rows are not the same tokens any more. */
function drift(before: Matrix | undefined, now: Matrix, ids: Int32Array): Record<string, number> {
  if (before?.rows !== now.rows || before.columns !== now.columns) return {};
  return { 'analysis/drift/embedding': alignedSimilarity(rowsOf(before, ids), rowsOf(now, ids)) };
}

function ranks({ blocks }: ModelView): Record<string, number> {
  const names = { query: 'queries', key: 'keys', value: 'values', ffn_up: 'up', ffn_down: 'down' } as const;
  const found: Record<string, number> = {};
  for (const [name, part] of Object.entries(names)) {
    const used = blocks.map((block) => rankUtilisation(block[part]));
    addByLayer(found, `${RANK}/${name}`, used);
  }
  return found;
}

function attentionEntropy(view: ModelView, windows: readonly Int32Array[]): Record<string, number> {
  const sums = view.blocks.map(() => ({ nats: 0, share: 0, rows: 0 }));
  for (const ids of windows) {
    view.attention(ids, (block, _head, weights) => {
      const sum = sums[block];
      if (sum === undefined) return;
      const { nats, share } = rowEntropies(weights, ids.length);
      sum.nats += nats;
      sum.share += share;
      sum.rows += ids.length - 1;
    });
  }
  const found: Record<string, number> = {};
  const perRow = (key: 'nats' | 'share'): (number | undefined)[] =>
    sums.map((sum) => (sum.rows === 0 ? undefined : sum[key] / sum.rows));
  addByLayer(found, `${ATTENTION}/entropy`, perRow('nats'));
  addByLayer(found, `${ATTENTION}/entropy_normalised`, perRow('share'));
  return found;
}

/** The mean under the name itself, and each layer's under `name/layer_N`; what has no value is left out. */
function addByLayer(into: Record<string, number>, name: string, values: readonly (number | undefined)[]): void {
  const known = values.filter((value) => value !== undefined);
  if (known.length > 0) into[name] = mean(known);
  values.forEach((value, layer) => {
    if (value !== undefined) into[`${name}/layer_${String(layer)}`] = value;
  });
}

function rowsOf({ columns, values }: Matrix, ids: Int32Array): Matrix {
  const rows = new Float64Array(ids.length * columns);
  ids.forEach((id, row) => {
    rows.set(values.subarray(id * columns, (id + 1) * columns), row * columns);
  });
  return { rows: ids.length, columns, values: rows };
}
