import type { MetricTable } from '../../../core/index.js';
import type { Matrix, ModelView } from '../../models/contract.js';
import { pairwiseCosines, unitRows } from './kernels/cosine.js';
import { rowEntropies } from './kernels/entropy.js';
import { alignedSimilarity, rankUtilisation } from './spectra.js';
import { deviation, mean, quantile } from './statistics.js';

/** Tokens are neighbours if their embeddings have a higher cosine similarity. */
const NEAR = 0.7;

const EMBEDDING = 'analysis/embedding';
const RANK = 'analysis/rank';
const ATTENTION = 'analysis/attention';

const SIMILARITY = 'cosine similarity of pairs of token embeddings';
const NEIGHBOURS = 'number of neighbours of a token: other tokens with a cosine similarity above 0.7';
const NORMALISED = 'entropy of the attention weights as a share of the maximum for its row';

const rankOf = (matrix: string): string => `share of the singular values of the ${matrix} that hold 98 % of the energy`;

const clocked = (unit: string, what: string): MetricTable[string] => ({ unit, what, clock: true });

/**
 * What an analysis publishes. All of it depends on the machine (`clock`): an analysis is skipped if memory is short.
 */
export const metrics: MetricTable = {
  [`${EMBEDDING}/tokens`]: clocked('tokens', 'token embeddings that are compared'),
  [`${EMBEDDING}/cosine_mean`]: clocked('', `mean ${SIMILARITY}`),
  [`${EMBEDDING}/cosine_std`]: clocked('', `standard deviation of the ${SIMILARITY}`),
  [`${EMBEDDING}/cosine_p10`]: clocked('', `10th percentile of the ${SIMILARITY}`),
  [`${EMBEDDING}/cosine_p90`]: clocked('', `90th percentile of the ${SIMILARITY}`),
  [`${EMBEDDING}/neighbours_mean`]: clocked('tokens', `mean ${NEIGHBOURS}`),
  [`${EMBEDDING}/neighbours_p10`]: clocked('tokens', `10th percentile of the ${NEIGHBOURS}`),
  [`${EMBEDDING}/neighbours_p90`]: clocked('tokens', `90th percentile of the ${NEIGHBOURS}`),
  [`${EMBEDDING}/neighbours_p99`]: clocked('tokens', `99th percentile of the ${NEIGHBOURS}`),
  'analysis/drift/embedding': clocked(
    '',
    'mean cosine similarity of token embeddings with those of the previous analysis, after alignment',
  ),
  [`${RANK}/query`]: clocked('share', `${rankOf('query projection')}, mean over layers`),
  [`${RANK}/key`]: clocked('share', `${rankOf('key projection')}, mean over layers`),
  [`${RANK}/value`]: clocked('share', `${rankOf('value projection')}, mean over layers`),
  [`${RANK}/ffn_up`]: clocked('share', `${rankOf('MLP’s first projection')}, mean over layers`),
  [`${RANK}/ffn_down`]: clocked('share', `${rankOf('MLP’s second projection')}, mean over layers`),
  [`${RANK}/*/layer_*`]: clocked('share', rankOf('projection of one layer, counted from 0,')),
  [`${ATTENTION}/entropy`]: clocked('nats', 'entropy of the attention weights, mean over rows, heads and layers'),
  [`${ATTENTION}/entropy_normalised`]: clocked('share', `${NORMALISED}, mean over rows, heads and layers`),
  [`${ATTENTION}/entropy/layer_*`]: clocked('nats', 'entropy of the attention weights of one layer, counted from 0'),
  [`${ATTENTION}/entropy_normalised/layer_*`]: clocked('share', `${NORMALISED}, in one layer, counted from 0`),
  'analysis/seconds': clocked('s', 'time of the analysis, which runs while training continues'),
  'analysis/cpu_seconds': clocked('s', 'CPU time of the analysis'),
};

export interface Question {
  readonly view: ModelView;
  /** The token embedding of the previous snapshot, if there was one. */
  readonly before: Matrix | undefined;
  /** Tokens to compare. */
  readonly ids: Int32Array;
  /** Windows to measure attention on, each [time]. */
  readonly windows: readonly Int32Array[];
}

/** Computes every measure of one snapshot, by metric name. */
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

/** Returns nothing if the vocabulary or the width has changed: rows no longer stand for the same tokens. */
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

/** Adds the mean as `name` and each layer's value as `name/layer_N`; layers without a value are left out. */
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
