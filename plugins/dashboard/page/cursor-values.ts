import { valueNear, type CardLine } from './card-lines.js';
import { formatCount, formatDuration, formatValue } from './format.js';
import type { Axis, SeriesAnswer } from './protocol.js';

/** What a run has at the cursor. */
export interface TooltipRow {
  readonly line: CardLine;
  readonly value: number | null;
  /** The value of the metric that belongs to the chart's own. */
  readonly context: number | null;
}

/** The series received so far, by the keys of their lines. */
interface KnownSeries {
  get(key: string): SeriesAnswer | undefined;
}

/** Returns the values at a place of the horizontal axis, a row for each run. */
export function rowsAt(lines: readonly CardLine[], data: KnownSeries, x: number): TooltipRow[] {
  const at = (line: CardLine | undefined): number | null => {
    const answer = line === undefined ? undefined : data.get(line.key);
    return answer === undefined ? null : valueNear(answer.smooth ?? answer.raw, x);
  };
  const runs = new Map<string, { own?: CardLine; context?: CardLine }>();
  for (const line of lines)
    runs.set(line.run, { ...runs.get(line.run), ...(line.isContext ? { context: line } : { own: line }) });
  return [...runs.values()].flatMap(({ own, context }) => {
    const line = own ?? context;
    const row = { value: at(own), context: at(context) };
    return line === undefined || (row.value === null && row.context === null) ? [] : [{ line, ...row }];
  });
}

/** Returns the values at a place of the horizontal axis in words. */
export function spokenAt(lines: readonly CardLine[], data: KnownSeries, x: number, axis: Axis): string {
  const several = new Set(lines.map(({ run }) => run)).size > 1;
  const values = lines.flatMap((line) => {
    const answer = data.get(line.key);
    if (answer === undefined) return [];
    const value = formatValue(valueNear(answer.smooth ?? answer.raw, x), line.metric.unit);
    return [`${several ? `${line.runLabel} · ` : ''}${line.label} ${value}`];
  });
  return `${placeText(x, axis)}: ${values.join(', ')}`;
}

export function placeText(x: number, axis: Axis): string {
  if (axis === 'time') return formatDuration(x);
  return `${axis} ${formatCount(x)}`;
}
