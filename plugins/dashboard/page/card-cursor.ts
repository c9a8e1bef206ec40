import type { CardLine } from './card-lines.js';
import type { ChartData } from './chart-data.js';
import type { Chart, ChartCursor } from './chart.js';
import { placeText, rowsAt, spokenAt, type TooltipRow } from './cursor-values.js';
import { element } from './dom.js';
import type { ChartPlan } from './groups.js';
import { placeOf } from './metric-names.js';
import type { Axis } from './protocol.js';
import { Tooltip } from './tooltip.js';

/** Shows the values at a chart's cursor: in a box next to it, and in words for screen readers. */
export class CardCursor {
  /** What screen readers read out when a key moves the cursor. */
  readonly spoken = element('p', { class: 'hidden-text', 'aria-live': 'polite' });
  readonly #tooltip = new Tooltip();
  #lines: readonly CardLine[] = [];
  #axis: Axis = 'iteration';
  #at: ChartCursor | undefined;
  /** Whether the pointer is over this chart: cursors of other charts move along, without a box. */
  #isPointed = false;

  constructor(
    private readonly plan: ChartPlan,
    private readonly frame: HTMLElement,
    private readonly chart: Chart,
    private readonly data: ChartData,
  ) {
    frame.append(this.#tooltip.root);
    frame.addEventListener('pointerenter', () => {
      this.#isPointed = true;
      document.addEventListener('pointerdown', this.#leaveFromOutside);
    });
    frame.addEventListener('pointerleave', ({ pointerType }) => {
      // A finger that was lifted leaves the values to be read.
      if (pointerType !== 'touch') this.leave();
    });
    frame.addEventListener('blur', () => this.#tooltip.hide());
  }

  /** The cursor's place on the horizontal axis; undefined if it is not in the chart. */
  get x(): number | undefined {
    return this.#at?.x;
  }

  /** Takes the lines to show values of. */
  update(lines: readonly CardLine[], axis: Axis): void {
    // A position on one axis means nothing on another.
    if (axis !== this.#axis) this.show(undefined);
    this.#lines = lines;
    this.#axis = axis;
  }

  /** Shows the values at a cursor, the current one by default; hides them without one. */
  show(cursor: ChartCursor | undefined = this.#at): void {
    this.#at = cursor;
    const isShown = cursor !== undefined && (this.#isPointed || document.activeElement === this.frame);
    const rows = isShown ? rowsAt(this.#lines, this.data, cursor.x) : [];
    if (!isShown || rows.length === 0) {
      this.#tooltip.hide();
      return;
    }
    const { context } = this.plan;
    const hasContext = rows.some((row) => row.context !== null);
    this.#tooltip.show(
      placeText(cursor.x, this.#axis),
      rows,
      { ...cursor, top: this.#middleOf(rows) },
      this.#isPointed ? this.chart.valueAt(cursor.top) : undefined,
      hasContext && context !== undefined ? placeOf(context).line : undefined,
    );
  }

  /** Moves the cursor by `by` points of the chart, and says the values there. */
  step(by: number): void {
    this.#isPointed = false;
    this.chart.step(by);
    if (this.#at !== undefined) this.spoken.textContent = spokenAt(this.#lines, this.data, this.#at.x, this.#axis);
  }

  leave(): void {
    this.#isPointed = false;
    this.#tooltip.hide();
    document.removeEventListener('pointerdown', this.#leaveFromOutside);
  }

  readonly #leaveFromOutside = ({ target }: PointerEvent): void => {
    if (!(target instanceof Node && this.frame.contains(target))) this.leave();
  };

  /** Returns the mean place of the lines at the cursor from the top of the plot, in pixels. */
  #middleOf(rows: readonly TooltipRow[]): number {
    const values = rows.flatMap(({ value, context }) => value ?? context ?? []);
    return values.reduce((sum, value) => sum + this.chart.placeOf(value), 0) / Math.max(1, values.length);
  }
}
