import { cardLines, drawnLines, inWords, isDrawable, type CardLine, type ShownRun } from './card-lines.js';
import { ChartData } from './chart-data.js';
import { Chart, type ChartCursor } from './chart.js';
import { chartKey, valuesTable, zoomButton } from './card-parts.js';
import { placeText, rowsAt, spokenAt, type TooltipRow } from './cursor-values.js';
import { element } from './dom.js';
import type { ChartPlan } from './groups.js';
import { placeOf } from './metric-names.js';
import type { Source } from './source.js';
import { Tooltip } from './tooltip.js';
import { FIRST_VIEW, type View } from './view.js';

/** A large chart, one of several in a row, or one of small multiples. */
export type CardSize = 'wide' | 'normal' | 'small';

const HEIGHTS: Readonly<Record<CardSize, number>> = { wide: 340, normal: 200, small: 130 };
const MAX_WIDTH = 2000;
/** Charts closer to the screen than this are drawn. */
const NEAR = '300px';

/**
 * A chart with a title, a box with the values at the cursor, and a description for screen readers. Arrow keys move from
 * point to point, + and - zoom, 0 shows all; on a touch screen buttons zoom.
 */
export class ChartCard {
  readonly root: HTMLElement;
  readonly #plot = element('div', { class: 'plot' });
  readonly #nothing = element('p', { class: 'nothing', hidden: true });
  readonly #spoken = element('p', { class: 'hidden-text', 'aria-live': 'polite' });
  readonly #words = element('p', { class: 'hidden-text' });
  readonly #values = element('div', { class: 'scroll' });
  readonly #details = element('details', {}, element('summary', {}, 'Values'), this.#values);
  readonly #reset = element('button', { type: 'button', class: 'quiet', hidden: true }, 'Show all');
  readonly #frame: HTMLElement;
  readonly #tooltip = new Tooltip();
  readonly #chart: Chart;
  readonly #data: ChartData;
  #lines: CardLine[] = [];
  #runs = 0;
  #view: View = FIRST_VIEW;
  /** Lowest and highest value of the vertical axis, shared with related charts. */
  #shared: [number, number] | undefined;
  #cursor: ChartCursor | undefined;
  #visible = false;
  /** What was drawn last, apart from the data. */
  #look = '';
  /** Whether the pointer is over this chart: cursors of other charts move along, without a box. */
  #isPointed = false;

  constructor(
    private readonly plan: ChartPlan,
    private readonly source: Source,
    private readonly size: CardSize,
    private readonly onZoom: (range: [number, number] | undefined) => void,
  ) {
    const { id, title } = plan;
    this.#data = new ChartData(source);
    this.#words.id = `${id}-words`;
    this.#frame = element('div', {
      class: 'frame',
      tabindex: '0',
      role: 'application',
      'aria-roledescription': 'line chart',
      'aria-label': `${title}. Arrow keys read values, plus and minus zoom, 0 shows all.`,
      'aria-describedby': this.#words.id,
    });
    this.#frame.append(this.#plot, this.#nothing, this.#tooltip.root);
    this.#plot.style.minHeight = `${String(HEIGHTS[size])}px`;
    this.#chart = new Chart(this.#plot, {
      onCursor: (cursor) => this.#showCursor(cursor),
      onZoom,
    });
    this.#listen();
    const unit = element('span', { class: 'unit' }, plan.unit === 'share' ? '%' : plan.unit);
    const zoom = element(
      'span',
      { class: 'zoom' },
      this.#reset,
      zoomButton('−', 'Zoom out', () => this.#scale(2)),
      zoomButton('+', 'Zoom in', () => this.#scale(0.5)),
    );
    const isSmall = size === 'small';
    this.root = element(
      'figure',
      { class: `card chart ${size}`, 'aria-labelledby': id, title: isSmall ? plan.what : '' },
      element(
        'figcaption',
        {},
        element(isSmall ? 'h4' : 'h3', { id }, title),
        ...(isSmall ? [] : [unit, ...chartKey(this.plan)]),
        zoom,
      ),
      this.#frame,
      ...(isSmall || plan.what === '' ? [] : [element('p', { class: 'what' }, plan.what)]),
      this.#words,
      this.#spoken,
      ...(isSmall ? [] : [this.#details]),
    );
    const seen = (entries: readonly IntersectionObserverEntry[]): void => {
      this.#visible = entries.some(({ isIntersecting }) => isIntersecting);
      void this.#ask();
    };
    new IntersectionObserver(seen, { rootMargin: NEAR }).observe(this.root);
    new ResizeObserver(() => {
      this.#chart.resize();
      void this.#ask();
    }).observe(this.#plot);
  }

  /**
   * Shows runs with these settings. A chart that is off screen is drawn once it is near.
   * @param shared lowest and highest value of the vertical axis; undefined: those of the lines
   */
  update(runs: readonly ShownRun[], view: View, shared: [number, number] | undefined): void {
    // A position on one axis means nothing on another.
    if (view.axis !== this.#view.axis) this.#showCursor(undefined);
    this.#lines = cardLines(this.plan, runs);
    this.#runs = runs.length;
    this.#view = view;
    this.#shared = shared;
    this.root.hidden = this.#lines.length === 0;
    this.#words.textContent = inWords(this.#lines);
    this.#reset.hidden = view.zoom === undefined;
    this.#fillValues();
    // New data is drawn when it comes: of many charts few change at a time.
    const { axis, log, smoothing, zoom } = view;
    const appearance = this.#lines.map(({ key, runLabel, colour, isBaseline }) => [key, runLabel, colour, isBaseline]);
    const look = JSON.stringify([appearance, axis, log, smoothing, zoom, shared]);
    if (look !== this.#look) this.#draw();
    this.#look = look;
    void this.#ask();
  }

  recolour(): void {
    this.#chart.recolour();
  }

  emphasize(run: string | undefined): void {
    this.#chart.emphasize(run);
  }

  #listen(): void {
    this.#reset.addEventListener('click', () => this.onZoom(undefined));
    this.#details.addEventListener('toggle', () => this.#fillValues());
    this.#frame.addEventListener('keydown', (event) => this.#onKey(event));
    this.#frame.addEventListener('pointerenter', () => (this.#isPointed = true));
    const leave = ({ pointerType }: PointerEvent): void => {
      // A finger that was lifted leaves the values to be read.
      if (pointerType === 'touch') return;
      this.#isPointed = false;
      this.#tooltip.hide();
    };
    this.#frame.addEventListener('pointerleave', leave);
    this.#frame.addEventListener('blur', () => this.#tooltip.hide());
    document.addEventListener('pointerdown', ({ target }) => {
      if (target instanceof Node && this.#frame.contains(target)) return;
      this.#isPointed = false;
      this.#tooltip.hide();
    });
  }

  async #ask(): Promise<void> {
    // In a folded section the plot has no width.
    if (!this.#visible || this.#plot.clientWidth === 0) return;
    const { axis, smoothing, zoom } = this.#view;
    const [from, to] = zoom ?? [];
    // Rounded up, so that resizing the window does not send a request for every pixel.
    const width = Math.min(MAX_WIDTH, 100 * Math.ceil((this.#plot.clientWidth * devicePixelRatio) / 100) || 100);
    if (await this.#data.ask(this.#lines, { axis, smoothing, from, to, width })) this.#draw();
  }

  #draw(): void {
    const { axis, log, zoom } = this.#view;
    const lines = this.#lines.flatMap((line) => {
      const answer = this.#data.get(line.key);
      return answer === undefined ? [] : drawnLines(line, answer, this.#runs);
    });
    if (lines.length === 0) return;
    const drawable = isDrawable(lines, log);
    this.#plot.hidden = !drawable;
    this.#nothing.hidden = drawable;
    this.#nothing.textContent = log ? 'Nothing above 0 to show on a log scale.' : 'No finite value to show.';
    const look = { axis, log, unit: this.plan.unit, height: HEIGHTS[this.size], isSmall: this.size === 'small' };
    if (drawable) this.#chart.draw(lines, { ...look, zoom, values: zoom === undefined ? this.#shared : undefined });
    this.#showCursor(this.#cursor);
  }

  #showCursor(cursor: ChartCursor | undefined): void {
    this.#cursor = cursor;
    if (cursor === undefined || !(this.#isPointed || document.activeElement === this.#frame)) {
      this.#tooltip.hide();
      return;
    }
    const rows = rowsAt(this.#lines, this.#data, cursor.x);
    const nearest = this.#isPointed ? this.#chart.valueAt(cursor.top) : undefined;
    const { context } = this.plan;
    const contextLabel =
      rows.some((row) => row.context !== null) && context !== undefined ? placeOf(context).line : undefined;
    if (rows.length === 0) this.#tooltip.hide();
    else {
      const place = placeText(cursor.x, this.#view.axis);
      this.#tooltip.show(place, rows, { ...cursor, top: this.#middleOf(rows) }, nearest, contextLabel);
    }
  }

  /** Returns the mean place of the lines at the cursor from the top of the plot, in pixels. */
  #middleOf(rows: readonly TooltipRow[]): number {
    const values = rows.flatMap(({ value, context }) => value ?? context ?? []);
    return values.reduce((sum, value) => sum + this.#chart.placeOf(value), 0) / Math.max(1, values.length);
  }

  #onKey(event: KeyboardEvent): void {
    const steps: Record<string, number> = {
      ArrowLeft: -1,
      ArrowRight: 1,
      PageUp: -20,
      PageDown: 20,
      Home: -1e9,
      End: 1e9,
    };
    const step = steps[event.key];
    if (step !== undefined) {
      this.#isPointed = false;
      this.#chart.step(event.shiftKey ? 10 * step : step);
      if (this.#cursor !== undefined)
        this.#spoken.textContent = spokenAt(this.#lines, this.#data, this.#cursor.x, this.#view.axis);
    } else if (event.key === '+' || event.key === '=') this.#scale(0.5);
    else if (event.key === '-') this.#scale(2);
    else if (event.key === '0') this.onZoom(undefined);
    else if (event.key === 'Escape') this.#tooltip.hide();
    else return;
    event.preventDefault();
  }

  /** Zooms around the cursor, else around the middle. */
  #scale(by: number): void {
    const range = this.#chart.range();
    if (range === undefined || (by > 1 && this.#view.zoom === undefined)) return;
    const [from, to] = range;
    const middle = this.#cursor?.x ?? (from + to) / 2;
    this.onZoom([middle - by * (middle - from), middle + by * (to - middle)]);
  }

  #fillValues(): void {
    if (this.#details.open) this.#values.replaceChildren(valuesTable(this.plan, this.#lines));
  }
}
