import { formatNumber } from './format.js';
import type { ChartPlan } from './groups.js';
import type { Line, MetricSummary, RunSummary, SeriesAnswer } from './protocol.js';

const COLOURS = 8;

/** A run on the page, with the number of the colour that it has there. */
export interface ShownRun {
  readonly summary: RunSummary;
  readonly colour: number;
}

/** One metric of one run in a chart. */
export interface CardLine {
  readonly key: string;
  readonly label: string;
  /** Name of a CSS custom property. */
  readonly colour: string;
  /** How it is dashed; 0: not at all. */
  readonly dash: number;
  readonly run: string;
  readonly metric: MetricSummary;
}

/** A line with how it looks. */
export interface ChartLine extends Line {
  readonly label: string;
  /** Name of a CSS custom property with its colour. */
  readonly colour: string;
  /** How it is dashed; 0: not at all. */
  readonly dash: number;
  /** Behind a smoothed line. */
  readonly faint: boolean;
  readonly shown: boolean;
}

/** The lines of a chart: one run has a colour for each metric, several runs have one each, and dashes tell metrics. */
export function cardLines({ metrics }: ChartPlan, runs: readonly ShownRun[]): CardLine[] {
  return runs.flatMap(({ summary, colour }) =>
    metrics.flatMap((name, at) => {
      const metric = summary.metrics.find((each) => each.name === name);
      if (metric === undefined || metric.points === 0) return [];
      const alone = runs.length === 1;
      return {
        key: `${summary.name}\n${name}`,
        label: alone ? name : metrics.length === 1 ? summary.name : `${summary.name} · ${name}`,
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

/** What is drawn of a line: itself, or smoothed, with itself faint behind. */
export function drawnLines(line: CardLine, { raw, smooth }: SeriesAnswer, shown: boolean): ChartLine[] {
  const look = { label: line.label, colour: line.colour, dash: line.dash, shown };
  if (smooth === null) return [{ ...look, ...raw, faint: false }];
  return [
    { ...look, ...raw, faint: true, dash: 0 },
    { ...look, ...smooth, faint: false },
  ];
}

/** Whether there is a value that can be drawn. */
export function isDrawable(lines: readonly ChartLine[], log: boolean): boolean {
  return lines.some(({ y, shown }) => shown && y.some((value) => value !== null && (!log || value > 0)));
}

/** A line's value at the point that is nearest to a place; null where it is not finite, or further from an end than its points are apart. */
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

/** What the chart shows, in words. */
export function inWords(lines: readonly CardLine[]): string {
  return lines
    .map(
      ({ label, metric: { points, last, min, max } }) =>
        `${label}: ${String(points)} points, last ${formatNumber(last)}, lowest ${formatNumber(min)}, highest ${formatNumber(max)}.`,
    )
    .join(' ');
}
