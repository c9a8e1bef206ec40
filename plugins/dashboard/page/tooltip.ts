import type { ChartCursor } from './chart.js';
import type { TooltipRow } from './cursor-values.js';
import { element, swatch } from './dom.js';
import { formatDifference, formatValue } from './format.js';

/** Of more runs, those nearest to the cursor are shown. */
const MAX_ROWS = 10;
const GAP = 14;

/** The box next to a chart's cursor with the values of each run. */
export class Tooltip {
  readonly root = element('div', { class: 'tooltip', hidden: true });

  /**
   * @param cursor `top` is where the lines are
   * @param nearest the value at the cursor's height, whose run is emphasized; undefined if the keyboard moved the cursor
   * @param contextLabel label of the second value; undefined without one
   */
  show(
    place: string,
    rows: readonly TooltipRow[],
    cursor: ChartCursor,
    nearest: number | undefined,
    contextLabel: string | undefined,
  ): void {
    const shown = nearestRows(rows, nearest);
    const baseline = rows.find(({ line }) => line.isBaseline)?.value ?? null;
    const isCompared = baseline !== null && rows.length > 1;
    const hasContext = contextLabel !== undefined;
    const valueLabel = hasContext ? (rows[0]?.line.label ?? '') : '';
    const head = [
      place,
      ...(hasContext || isCompared ? [valueLabel] : []),
      ...(isCompared ? ['Δ'] : []),
      ...(hasContext ? [contextLabel] : []),
    ];
    const most = nearest === undefined ? undefined : closest(shown, nearest);
    const left = rows.length - shown.length;
    this.root.replaceChildren(
      element(
        'table',
        {},
        element('thead', {}, element('tr', {}, ...head.map((text) => element('th', { scope: 'col' }, text)))),
        element(
          'tbody',
          {},
          ...shown.map((row) => this.#row(row, row === most, hasContext, isCompared ? baseline : null)),
        ),
      ),
      ...(left > 0 ? [element('p', { class: 'muted' }, `${String(left)} more`)] : []),
    );
    this.root.hidden = false;
    this.#place(cursor);
  }

  hide(): void {
    this.root.hidden = true;
  }

  #row(
    { line, value, context }: TooltipRow,
    isNearest: boolean,
    hasContext: boolean,
    baseline: number | null,
  ): HTMLElement {
    const unit = line.metric.unit === 'share' ? 'share' : '';
    const difference =
      value === null || baseline === null ? '–' : line.isBaseline ? '' : formatDifference(value - baseline);
    return element(
      'tr',
      { class: isNearest ? 'nearest' : undefined },
      element('th', { scope: 'row' }, swatch(line.colour), line.runLabel),
      element('td', {}, formatValue(value, unit)),
      ...(baseline === null ? [] : [element('td', {}, difference)]),
      ...(hasContext ? [element('td', {}, formatValue(context, unit))] : []),
    );
  }

  /** Puts the box next to the cursor, on the side with room, inside the window. */
  #place({ left, top }: ChartCursor): void {
    const frame = this.root.parentElement;
    const plot = frame?.querySelector('.u-over');
    if (frame === null || plot === null || plot === undefined) return;
    const [outer, inner, own] = [frame, plot, this.root].map((each) => each.getBoundingClientRect());
    if (outer === undefined || inner === undefined || own === undefined) return;
    const x = inner.left - outer.left + left;
    const isRoomy = outer.left + x + GAP + own.width < document.documentElement.clientWidth - 4;
    const wanted = isRoomy ? x + GAP : x - GAP - own.width;
    // On a phone neither side may have room.
    const least = 4 - outer.left;
    const most = document.documentElement.clientWidth - 4 - own.width - outer.left;
    this.root.style.left = `${String(Math.max(least, Math.min(most, wanted)))}px`;
    // In the other half, so that it does not cover the lines.
    const from = inner.top - outer.top;
    const y = top < inner.height / 2 ? from + inner.height - own.height : from;
    this.root.style.top = `${String(y)}px`;
  }
}

/** Returns the rows by value, lowest first; of many, those nearest to the cursor, and the baseline. */
function nearestRows(rows: readonly TooltipRow[], nearest: number | undefined): TooltipRow[] {
  const value = (row: TooltipRow): number => row.value ?? Infinity;
  const kept =
    nearest === undefined
      ? rows.toSorted((a, b) => value(a) - value(b))
      : rows.toSorted((a, b) => Math.abs(value(a) - nearest) - Math.abs(value(b) - nearest));
  const first = kept.filter(({ line }) => line.isBaseline);
  const others = kept.filter(({ line }) => !line.isBaseline);
  return [...first, ...others].slice(0, MAX_ROWS).sort((a, b) => value(a) - value(b));
}

function closest(rows: readonly TooltipRow[], nearest: number): TooltipRow | undefined {
  const distance = ({ value }: TooltipRow): number => (value === null ? Infinity : Math.abs(value - nearest));
  return rows.toSorted((a, b) => distance(a) - distance(b))[0];
}
