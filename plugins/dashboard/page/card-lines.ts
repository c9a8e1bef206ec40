import { formatNumber } from './format.js';
import type { ChartPlan } from './groups.js';
import { placeOf } from './metric-names.js';
import type { Line, MetricSummary, RunSummary, SeriesAnswer } from './protocol.js';

/** A run on the page, with its appearance. */
export interface ShownRun {
  readonly summary: RunSummary;
  /** Its name as shown. */
  readonly label: string;
  /** CSS custom property of its colour. */
  readonly colour: string;
  readonly isBaseline: boolean;
}

/** One metric of one run in a chart. */
export interface CardLine {
  readonly key: string;
  /** Names the run in requests. */
  readonly run: string;
  /** The run's name as shown. */
  readonly runLabel: string;
  /** What is measured, in words. */
  readonly label: string;
  /** CSS custom property of its colour. */
  readonly colour: string;
  readonly isBaseline: boolean;
  /** Whether it is the metric that belongs to the chart's own. */
  readonly isContext: boolean;
  readonly metric: MetricSummary;
}

/** A line and its appearance. */
export interface ChartLine extends Line {
  readonly run: string;
  /** CSS custom property of its colour. */
  readonly colour: string;
  readonly dashed: boolean;
  /** In pixels. */
  readonly width: number;
  /** From 0, invisible, to 1. */
  readonly alpha: number;
  /** Whether the cursor marks its points. */
  readonly isMarked: boolean;
}

/** Opacity of the original points behind a smoothed line, and of a chart's second metric. */
const FAINT = 0.25;
const CONTEXT = 0.6;
const CONTEXT_OF_MANY = 0.3;
/** With more runs, second metrics are fainter and unmarked. */
const SEVERAL_RUNS = 3;
/** With more runs, smoothed lines are drawn without the original points, which would cover them. */
const MANY_RUNS = 8;

/** Returns the lines of a chart: its metric for each run, and the one that belongs to it. The baseline is on top. */
export function cardLines({ metric: own, context }: ChartPlan, runs: readonly ShownRun[]): CardLine[] {
  const onTop = [...runs.filter(({ isBaseline }) => !isBaseline), ...runs.filter(({ isBaseline }) => isBaseline)];
  return [...(context === undefined ? [] : [context]), own].flatMap((name) =>
    onTop.flatMap(({ summary, label, colour, isBaseline }) => {
      const metric = summary.metrics.find((each) => each.name === name);
      if (metric === undefined || metric.points === 0) return [];
      return {
        key: `${summary.name}\n${name}`,
        run: summary.name,
        runLabel: label,
        label: placeOf(name).line,
        colour,
        isBaseline,
        isContext: name === context,
        metric,
      };
    }),
  );
}

/** Returns what to draw for a line: the original values, or the smoothed ones with the original ones faint behind. */
export function drawnLines(line: CardLine, { raw, smooth }: SeriesAnswer, runs: number): ChartLine[] {
  const { run, colour, isBaseline, isContext } = line;
  const width = isContext ? 1.25 : isBaseline ? 3.25 : 1.75;
  const alpha = !isContext ? 1 : runs > SEVERAL_RUNS && !isBaseline ? CONTEXT_OF_MANY : CONTEXT;
  const look = { run, colour, dashed: isContext, width, alpha, isMarked: !isContext || runs <= SEVERAL_RUNS };
  if (smooth === null) return [{ ...look, ...raw }];
  const main = { ...look, ...smooth };
  if (isContext || runs > MANY_RUNS) return [main];
  return [{ ...look, ...raw, width: 1, alpha: FAINT, isMarked: false }, main];
}

/** Returns whether any value can be drawn. */
export function isDrawable(lines: readonly ChartLine[], log: boolean): boolean {
  return lines.some(({ y }) => y.some((value) => value !== null && (!log || value > 0)));
}

/** Returns the lowest and the highest value of some metrics in some runs; undefined if there is none. */
export function rangeOf(metrics: readonly string[], runs: readonly ShownRun[]): [number, number] | undefined {
  const wanted = new Set(metrics);
  const own = runs.flatMap(({ summary }) => summary.metrics.filter(({ name }) => wanted.has(name)));
  const values = own.flatMap(({ min, max }) => [min, max].filter((value) => value !== null));
  return values.length === 0 ? undefined : [Math.min(...values), Math.max(...values)];
}

/**
 * Returns a line's value at the point nearest to `place`. Null if it is not finite, or if `place` is further from the
 * line's end than its points are from each other.
 */
export function valueNear({ x, y }: Line, place: number): number | null {
  let low = 0;
  let high = x.length - 1;
  const [first = 0, last = 0] = [x[0], x[high]];
  const apart = high > 0 ? (last - first) / high : Infinity;
  if (place < first - apart || place > last + apart) return null;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((x[middle] ?? 0) < place) low = middle + 1;
    else high = middle;
  }
  const before = x[low - 1];
  const nearer = before !== undefined && place - before < (x[low] ?? Infinity) - place;
  return y[nearer ? low - 1 : low] ?? null;
}

/** Describes a chart's lines for screen readers. */
export function inWords(lines: readonly CardLine[]): string {
  return lines
    .map(
      ({ runLabel, label, metric: { points, last, min, max } }) =>
        `${runLabel}, ${label}: ${String(points)} points, last ${formatNumber(last)}, lowest ${formatNumber(min)}, highest ${formatNumber(max)}.`,
    )
    .join(' ');
}
