import type { CardLine } from './card-lines.js';
import { element, swatch, table } from './dom.js';
import { formatCount, formatValue } from './format.js';
import type { ChartPlan } from './groups.js';
import { placeOf } from './metric-names.js';

/** Makes the key to the lines of a chart's two metrics; empty for a chart of one. */
export function chartKey({ metric, context }: ChartPlan): HTMLElement[] {
  if (context === undefined) return [];
  const entry = (name: string, kind: string): HTMLElement =>
    element('span', { class: 'key' }, swatch('--muted', kind), placeOf(name).line);
  return [element('span', { class: 'keys' }, entry(metric, ''), entry(context, 'dashed'))];
}

/** Makes a button that only touch screens show. */
export function zoomButton(sign: string, label: string, onPress: () => void): HTMLElement {
  const button = element('button', { type: 'button', class: 'quiet touch', 'aria-label': label, title: label }, sign);
  button.addEventListener('click', onPress);
  return button;
}

/** Makes the table of the last, lowest and highest values of a chart's lines. */
export function valuesTable({ title }: ChartPlan, lines: readonly CardLine[]): HTMLTableElement {
  const hasContext = lines.some(({ isContext }) => isContext);
  const rows = lines.map(({ runLabel, label, metric: { last, min, max, points, unit } }) => [
    hasContext ? `${runLabel}: ${label}` : runLabel,
    ...[last, min, max].map((value) => formatValue(value, unit)),
    formatCount(points),
  ]);
  return table(title, ['run', 'last', 'lowest', 'highest', 'points'], rows);
}
