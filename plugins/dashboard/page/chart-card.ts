import { CardCursor } from './card-cursor.js';
import { cardLines, drawnLines, inWords, isDrawable, rangeOf, type CardLine, type ShownRun } from './card-lines.js';
import { chartKey, valuesTable, zoomButton } from './card-parts.js';
import { ChartData } from './chart-data.js';
import { Chart } from './chart.js';
import { element, proseNodes } from './dom.js';
import type { ChartPlan } from './groups.js';
import type { Source } from './source.js';
import { FIRST_VIEW, type View } from './view.js';

/** A large chart, one of several in a row, or one of small multiples. */
export type CardSize = 'wide' | 'normal' | 'small';

/** What a card shows of its metric. */
export interface CardContent {
  readonly runs: readonly ShownRun[];
  readonly view: View;
  /** The metrics of its group, which share a vertical scale if the view says so. */
  readonly related: readonly string[];
}

const HEIGHTS: Readonly<Record<CardSize, number>> = { wide: 340, normal: 200, small: 130 };
const MAX_WIDTH = 2000;
/** Charts closer to the screen than this are drawn. */
const NEAR = '300px';
/** Points by which keys move the cursor. */
const STEPS: Readonly<Record<string, number>> = {
  ArrowLeft: -1,
  ArrowRight: 1,
  PageUp: -20,
  PageDown: 20,
  Home: -1e9,
  End: 1e9,
};

/**
 * A chart with a title, a box with the values at the cursor, and a description for screen readers. Arrow keys move from
 * point to point, + and - zoom, 0 shows all; on a touch screen buttons zoom. Only a chart near the screen is drawn, and
 * does any work: a page may have hundreds.
 */
export class ChartCard {
  readonly root: HTMLElement;
  readonly #plot = element('div', { class: 'plot' });
  readonly #nothing = element('p', { class: 'nothing', hidden: true });
  readonly #words = element('p', { class: 'hidden-text' });
  readonly #values = element('div', { class: 'scroll' });
  readonly #details = element('details', {}, element('summary', {}, 'Values'), this.#values);
  readonly #reset = element('button', { type: 'button', class: 'quiet', hidden: true }, 'Show all');
  readonly #frame: HTMLElement;
  readonly #cursor: CardCursor;
  readonly #chart: Chart;
  readonly #data: ChartData;
  #content: CardContent = { runs: [], view: FIRST_VIEW, related: [] };
  #lines: CardLine[] = [];
  /** Lowest and highest value of the vertical axis, shared with related charts; undefined: those of the lines. */
  #range: [number, number] | undefined;
  #isNear = false;
  #isPrinted = false;
  /** What was drawn last, apart from the data; empty if nothing is. */
  #look = '';

  constructor(
    private readonly plan: ChartPlan,
    source: Source,
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
    this.#frame.append(this.#plot, this.#nothing);
    this.#plot.style.minHeight = `${String(HEIGHTS[size])}px`;
    this.#chart = new Chart(this.#plot, { onCursor: (cursor) => this.#cursor.show(cursor), onZoom });
    this.#cursor = new CardCursor(plan, this.#frame, this.#chart, this.#data);
    this.#reset.addEventListener('click', () => onZoom(undefined));
    this.#details.addEventListener('toggle', () => this.#fillValues());
    this.#frame.addEventListener('keydown', (event) => this.#onKey(event));
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
      {
        class: `card chart ${size}`,
        'aria-labelledby': id,
        title: isSmall ? plan.what.replaceAll('`', '') : undefined,
      },
      element(
        'figcaption',
        {},
        element(isSmall ? 'h4' : 'h3', { id }, title),
        ...(isSmall ? [] : [unit, ...chartKey(this.plan)]),
        zoom,
      ),
      this.#frame,
      ...(isSmall || plan.what === '' ? [] : [element('p', { class: 'what' }, ...proseNodes(plan.what))]),
      this.#words,
      this.#cursor.spoken,
      ...(isSmall ? [] : [this.#details]),
    );
    this.#watch();
  }

  /** Shows runs with these settings, now or once the card is near the screen. */
  update(content: CardContent): void {
    this.#content = content;
    this.#reset.hidden = content.view.zoom === undefined;
    if (this.#isNear) this.#show();
  }

  recolour(): void {
    this.#chart.recolour();
  }

  emphasize(run: string | undefined): void {
    this.#chart.emphasize(run);
  }

  /** Draws the chart wherever it is while the page is printed. */
  print(isPrinted: boolean): void {
    this.#isPrinted = isPrinted;
    this.#showOrClear();
  }

  /** Watches whether the card is near the screen, and its width. */
  #watch(): void {
    const seen = (entries: readonly IntersectionObserverEntry[]): void => {
      this.#isNear = entries.at(-1)?.isIntersecting === true;
      this.#showOrClear();
    };
    new IntersectionObserver(seen, { rootMargin: NEAR }).observe(this.root);
    new ResizeObserver(() => {
      this.#chart.resize();
      void this.#ask();
    }).observe(this.#plot);
  }

  get #isDrawn(): boolean {
    return this.#isNear || this.#isPrinted;
  }

  #showOrClear(): void {
    if (this.#isDrawn) {
      this.#show();
      return;
    }
    this.#chart.clear();
    this.#cursor.leave();
    this.#look = '';
  }

  #show(): void {
    const { runs, view, related } = this.#content;
    this.#lines = cardLines(this.plan, runs);
    this.#range = view.sameScale && related.length > 1 ? rangeOf(related, runs) : undefined;
    this.#cursor.update(this.#lines, view.axis);
    this.#words.textContent = inWords(this.#lines);
    this.#fillValues();
    void this.#ask();
    // New data is drawn when it arrives: of many charts few change at a time.
    const { axis, log, smoothing, zoom } = view;
    const appearance = this.#lines.map(({ key, runLabel, colour, isBaseline }) => [key, runLabel, colour, isBaseline]);
    const look = JSON.stringify([appearance, axis, log, smoothing, zoom, this.#range]);
    if (look !== this.#look) this.#draw();
    this.#look = look;
  }

  async #ask(): Promise<void> {
    // In a folded section the plot has no width.
    if (!this.#isDrawn || this.#plot.clientWidth === 0) return;
    const { axis, smoothing, zoom } = this.#content.view;
    const [from, to] = zoom ?? [];
    // Rounded up, so that resizing the window does not send a request for every pixel.
    const width = Math.min(MAX_WIDTH, 100 * Math.ceil((this.#plot.clientWidth * devicePixelRatio) / 100) || 100);
    if (await this.#data.ask(this.#lines, { axis, smoothing, from, to, width })) this.#draw();
  }

  #draw(): void {
    if (!this.#isDrawn) return;
    const { runs, view } = this.#content;
    const lines = this.#lines.flatMap((line) => {
      const answer = this.#data.get(line.key);
      return answer === undefined ? [] : drawnLines(line, answer, runs.length);
    });
    if (lines.length === 0) return;
    const { axis, log, zoom } = view;
    const drawable = isDrawable(lines, log);
    this.#plot.hidden = !drawable;
    this.#nothing.hidden = drawable;
    this.#nothing.textContent = log ? 'Nothing above 0 to show on a log scale.' : 'No finite value to show.';
    const look = { axis, log, unit: this.plan.unit, height: HEIGHTS[this.size], isSmall: this.size === 'small' };
    if (drawable) this.#chart.draw(lines, { ...look, zoom, values: zoom === undefined ? this.#range : undefined });
    this.#cursor.show();
  }

  #onKey(event: KeyboardEvent): void {
    const step = STEPS[event.key];
    if (step !== undefined) this.#cursor.step(event.shiftKey ? 10 * step : step);
    else if (event.key === '+' || event.key === '=') this.#scale(0.5);
    else if (event.key === '-') this.#scale(2);
    else if (event.key === '0') this.onZoom(undefined);
    else if (event.key === 'Escape') this.#cursor.leave();
    else return;
    event.preventDefault();
  }

  /** Zooms around the cursor, else around the middle. */
  #scale(by: number): void {
    const range = this.#chart.range();
    if (range === undefined || (by > 1 && this.#content.view.zoom === undefined)) return;
    const [from, to] = range;
    const middle = this.#cursor.x ?? (from + to) / 2;
    this.onZoom([middle - by * (middle - from), middle + by * (to - middle)]);
  }

  #fillValues(): void {
    if (this.#details.open) this.#values.replaceChildren(valuesTable(this.plan, this.#lines));
  }
}
