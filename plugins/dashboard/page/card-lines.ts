import { formatNumber } from './format.js';
import type { ChartPlan } from './groups.js';
import { placeOf } from './metric-names.js';
import type { Line, MetricSummary, RunSummary, SeriesAnswer } from './protocol.js';

const COLOURS = 8;

/** A run on the page, and the number of its colour. */
export interface ShownRun {
  readonly summary: RunSummary;
  readonly colour: number;
}

/** One metric of one run in a chart. */
export interface CardLine {
  readonly key: string;
  readonly label: string;
  /** CSS custom property of its colour. */
  readonly colour: string;
  /** Number of the dash pattern; 0: solid. */
  readonly dash: number;
  readonly run: string;
  readonly metric: MetricSummary;
}

/** A line and its appearance. */
export interface ChartLine extends Line {
  readonly label: string;
  /** CSS custom property of its colour. */
  readonly colour: string;
  /** Number of the dash pattern; 0: solid. */
  readonly dash: number;
  /** Drawn faintly, behind its smoothed version. */
  readonly faint: boolean;
  readonly shown: boolean;
}

/**
 * Returns the lines of a chart. With one run each metric has a colour; with several each run has one, and each metric a
 * dash pattern.
 */
export function cardLines({ metrics }: ChartPlan, runs: readonly ShownRun[]): CardLine[] {
  return runs.flatMap(({ summary, colour }) =>
    metrics.flatMap((name, at) => {
      const metric = summary.metrics.find((each) => each.name === name);
      if (metric === undefined || metric.points === 0) return [];
      const alone = runs.length === 1;
      const { line } = placeOf(name);
      return {
        key: `${summary.name}\n${name}`,
        label: alone ? line : metrics.length === 1 ? summary.name : `${summary.name} · ${line}`,
        colour: colourOf(alone ? at : colour),
        dash: alone ? 0 : at,
        run: summary.name,
        metric,
      };
    }),
  );
}

export function colourOf(number: number): string {
  return `--line-${String(number % COLOURS)}`;
}

/** Returns what to draw for a line: the raw values, or the smoothed ones with the raw ones faint behind. */
export function drawnLines(line: CardLine, { raw, smooth }: SeriesAnswer, shown: boolean): ChartLine[] {
  const look = { label: line.label, colour: line.colour, dash: line.dash, shown };
  if (smooth === null) return [{ ...look, ...raw, faint: false }];
  return [
    { ...look, ...raw, faint: true, dash: 0 },
    { ...look, ...smooth, faint: false },
  ];
}

/** Returns whether any value can be drawn. */
export function isDrawable(lines: readonly ChartLine[], log: boolean): boolean {
  return lines.some(({ y, shown }) => shown && y.some((value) => value !== null && (!log || value > 0)));
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
      ({ label, metric: { points, last, min, max } }) =>
        `${label}: ${String(points)} points, last ${formatNumber(last)}, lowest ${formatNumber(min)}, highest ${formatNumber(max)}.`,
    )
    .join(' ');
}
