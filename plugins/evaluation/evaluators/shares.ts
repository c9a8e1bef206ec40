import { setImmediate as nextTurn } from 'node:timers/promises';
import { useEngine, type MetricNames, type Ranks } from '../../../core/index.js';
import type { EvaluatorContext } from './evaluator.js';

/** A set of examples, divided into pieces that are counted one by one. */
export interface CountedSet<Piece> {
  readonly name: string;
  readonly pieces: readonly Piece[];
  /** Examples in all pieces. */
  readonly examples: number;
}

/** Counts the examples of a piece for which each of `metrics` is true. */
export interface Counting<Piece> {
  readonly metrics: readonly string[];
  /** Called with the engine current; returns a whole number for each metric. */
  readonly count: (piece: Piece) => readonly number[] | Promise<readonly number[]>;
}

/** Shares by `SET/METRIC`. */
export type Shares = Readonly<Record<string, number>>;

/** Registers the metrics' names for each set, in place of the declared patterns. @returns those names */
export function spellOutShares(names: MetricNames, sets: readonly string[], metrics: readonly string[]): string[] {
  const shareOf = (set: string, metric: string): string => `${set}/${metric}`;
  for (const metric of metrics) {
    names.spellOut(
      shareOf('*', metric),
      sets.map((set) => shareOf(set, metric)),
    );
  }
  return sets.flatMap((set) => metrics.map((metric) => shareOf(set, metric)));
}

/**
 * Returns, for each set and metric, the share of examples for which the metric is true. Ranks divide the pieces: all
 * must call it, and all get the same bits, whatever the number of ranks.
 */
export async function sharesOf<Piece>(
  sets: readonly CountedSet<Piece>[],
  { metrics, count }: Counting<Piece>,
  ranks: Ranks,
  { engine, stop, onBatch }: EvaluatorContext,
): Promise<Shares> {
  const isOwn = (_: unknown, index: number): boolean => index % ranks.size === ranks.rank;
  const own = sets.map((set) => ({ ...set, pieces: set.pieces.filter(isOwn) }));
  const total = own.reduce((sum, { pieces }) => sum + pieces.length, 0);
  const shares: Record<string, number> = {};
  let done = 0;
  for (const { name, pieces, examples } of own) {
    const counts = metrics.map(() => 0);
    for (const piece of pieces) {
      // Lets signals and other work of this process run, which may change the current engine.
      await nextTurn();
      if (stop()) break;
      useEngine(engine);
      for (const [index, more] of (await count(piece)).entries()) counts[index] = (counts[index] ?? 0) + more;
      await onBatch(++done, total);
    }
    const means = await ranks.average(counts);
    for (const [index, metric] of metrics.entries()) {
      const sum = Math.round((means[index] ?? NaN) * ranks.size);
      shares[`${name}/${metric}`] = sum / examples;
    }
  }
  return shares;
}
