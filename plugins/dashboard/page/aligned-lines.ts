import uPlot from 'uplot';
import type { ChartLine } from './card-lines.js';

/** Joins lines on the union of their x values. Missing values are undefined, which uPlot draws through. */
export function joined(lines: readonly ChartLine[], log: boolean): uPlot.AlignedData {
  const tables = lines.map(({ x, y }): uPlot.AlignedData => [
    [...x],
    y.map((value) => (log && value !== null && value <= 0 ? null : value)),
  ]);
  return tables.length === 0 ? [[]] : uPlot.join(tables);
}

/**
 * Returns the index nearest to the cursor's at which this line has a point: lines have points at different x values.
 */
export function nearestPoint(plot: uPlot, line: number, at: number): number {
  const values = plot.data[line];
  const isPoint = (place: number): boolean => typeof values?.[place] === 'number';
  const count = values?.length ?? 0;
  for (let away = 0; away < count; away++) {
    if (isPoint(at - away)) return at - away;
    if (isPoint(at + away)) return at + away;
  }
  return at;
}
