import { cardLines, drawnLines, inWords, isDrawable, valueNear, type CardLine, type ShownRun } from './card-lines.js';
import { Chart } from './chart.js';
import { element, table } from './dom.js';
import { formatDuration, formatNumber, formatValue } from './format.js';
import type { ChartPlan } from './groups.js';
import { Legend } from './legend.js';
import type { SeriesAnswer } from './protocol.js';
import type { Source } from './source.js';
import type { View } from './view.js';

const HEIGHT = 220;
const TALL = 340;
const MAX_WIDTH = 2000;
/** Charts closer to the screen than this are drawn. */
const NEAR = '300px';

/**
 * A chart with a title, a legend with the values at the cursor, and a description for screen readers. Arrow keys move
 * from point to point, + and - zoom, 0 shows all.
 */
export class ChartCard {
  readonly root: HTMLElement;
  readonly #plot = element('div', { class: 'plot' });
  readonly #place = element('span', { class: 'place' });
  readonly #nothing = element('p', { class: 'nothing', hidden: true });
  readonly #spoken = element('p', { class: 'hidden-text', 'aria-live': 'polite' });
  readonly #words = element('p', { class: 'hidden-text' });
  readonly #values = element('div', { class: 'scroll' });
  readonly #details = element('details', {}, element('summary', {}, 'Values'), this.#values);
  readonly #reset = element('button', { type: 'button', class: 'quiet', hidden: true }, 'Show all');
  readonly #legend = new Legend(() => this.#draw());
  readonly #chart: Chart;
  #lines: CardLine[] = [];
  #answers = new Map<string, SeriesAnswer>();
  #view: View = { axis: 'iteration', log: false, smoothing: 0 };
  #zoom: [number, number] | undefined;
  #cursor: number | undefined;
  #visible = false;
  /** The last request, to avoid repeating it. */
  #asked = '';

  constructor(
    private readonly plan: ChartPlan,
    private readonly source: Source,
    private readonly wide: boolean,
  ) {
    const { id } = plan;
    this.#words.id = `${id}-words`;
    const frame = element('div', {
      class: 'frame',
      tabindex: '0',
      role: 'application',
      'aria-roledescription': 'line chart',
      'aria-label': `${plan.title}. Arrow keys read values, plus and minus zoom, 0 shows all.`,
      'aria-describedby': this.#words.id,
    });
    frame.append(this.#plot, this.#nothing);
    frame.addEventListener('keydown', (event) => this.#onKey(event));
    this.#chart = new Chart(this.#plot, {
      onCursor: (x) => this.#showCursor(x),
      onZoom: (range) => this.#setZoom(range),
    });
    this.#reset.addEventListener('click', () => this.#setZoom(undefined));
    this.#details.addEventListener('toggle', () => this.#fillValues());
    const title = element('h3', { id }, plan.title);
    const unit = element('span', { class: 'unit' }, plan.unit === 'share' ? '%' : plan.unit);
    this.root = element(
      'figure',
      { class: wide ? 'card wide' : 'card', 'aria-labelledby': id },
      element('figcaption', {}, title, unit, this.#place, this.#reset),
      ...(plan.what === '' ? [] : [element('p', { class: 'what', title: plan.what }, plan.what)]),
      this.#legend.root,
      frame,
      this.#words,
      this.#spoken,
      this.#details,
    );
    const seen = (entries: readonly IntersectionObserverEntry[]): void => {
      this.#visible = source.isLocal || entries.some(({ isIntersecting }) => isIntersecting);
      void this.#ask();
    };
    new IntersectionObserver(seen, { rootMargin: NEAR }).observe(this.root);
    new ResizeObserver(() => {
      this.#chart.resize();
      void this.#ask();
    }).observe(this.#plot);
  }

  /** Shows runs with these settings. A chart that is off screen is drawn once it is near. */
  update(runs: readonly ShownRun[], view: View): void {
    const sameAxis = view.axis === this.#view.axis;
    this.#lines = cardLines(this.plan, runs);
    this.#view = { ...view };
    this.root.hidden = this.#lines.length === 0;
    this.#words.textContent = inWords(this.#lines);
    this.#legend.show(this.#lines);
    this.#fillValues();
    if (sameAxis) this.#draw();
    else {
      // A position on one axis means nothing on another.
      this.#showCursor(undefined);
      this.#setZoom(undefined);
    }
    void this.#ask();
  }

  recolour(): void {
    this.#chart.recolour();
  }

  async #ask(): Promise<void> {
    if (!this.#visible) return;
    const { axis, smoothing } = this.#view;
    const [from, to] = this.#zoom ?? [];
    // Rounded up, so that resizing the window does not send a request for every pixel.
    const width = Math.min(MAX_WIDTH, 100 * Math.ceil((this.#plot.clientWidth * devicePixelRatio) / 100) || 100);
    const query = { axis, smoothing, from, to, width };
    const asked = JSON.stringify([query, this.#lines.map(({ key, metric }) => [key, metric.points, metric.last])]);
    if (asked === this.#asked) return;
    this.#asked = asked;
    try {
      const answers = await Promise.all(
        this.#lines.map(async ({ key, run, metric }): Promise<[string, SeriesAnswer]> => {
          return [key, await this.source.series({ ...query, run, metric: metric.name })];
        }),
      );
      if (asked !== this.#asked) return;
      this.#answers = new Map(answers);
      this.#draw();
    } catch {
      // The page reports the lost connection, and asks again once there is new data.
      this.#asked = '';
    }
  }

  #draw(): void {
    const { axis, log } = this.#view;
    const lines = this.#lines.flatMap((line) => {
      const answer = this.#answers.get(line.key);
      return answer === undefined ? [] : drawnLines(line, answer, !this.#legend.isHidden(line.key));
    });
    if (lines.length === 0) return;
    const drawable = isDrawable(lines, log);
    this.#plot.hidden = !drawable;
    this.#nothing.hidden = drawable;
    this.#nothing.textContent = log ? 'Nothing above 0 to show on a log scale.' : 'No finite value to show.';
    const height = this.wide ? TALL : HEIGHT;
    if (drawable) this.#chart.draw(lines, { axis, log, unit: this.plan.unit, height, zoom: this.#zoom });
    this.#showCursor(this.#cursor);
  }

  #setZoom(range: [number, number] | undefined): void {
    this.#zoom = range;
    this.#reset.hidden = range === undefined;
    void this.#ask();
  }

  #showCursor(x: number | undefined): void {
    this.#cursor = x;
    this.#place.textContent = x === undefined ? '' : this.#placeText(x);
    // The unit is in the chart's heading; shares are shown as percentages.
    for (const { key, metric } of this.#lines)
      this.#legend.setValue(key, formatValue(this.#valueAt(key, metric.last), metric.unit === 'share' ? 'share' : ''));
  }

  #valueAt(key: string, last: number | null): number | null {
    const answer = this.#answers.get(key);
    if (this.#cursor === undefined || answer === undefined) return last;
    return valueNear(answer.smooth ?? answer.raw, this.#cursor);
  }

  #placeText(x: number): string {
    const { axis } = this.#view;
    if (axis === 'time') return formatDuration(x);
    return `${axis} ${Math.round(x).toLocaleString('en-US')}`;
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
      this.#chart.step(event.shiftKey ? 10 * step : step);
      this.#speak();
    } else if (event.key === '+' || event.key === '=') this.#scale(0.5);
    else if (event.key === '-') this.#scale(2);
    else if (event.key === '0') this.#setZoom(undefined);
    else return;
    event.preventDefault();
  }

  #speak(): void {
    if (this.#cursor === undefined) return;
    const values = this.#lines
      .filter(({ key }) => !this.#legend.isHidden(key))
      .map(({ key, label, metric }) => `${label} ${formatValue(this.#valueAt(key, metric.last), metric.unit)}`);
    this.#spoken.textContent = `${this.#placeText(this.#cursor)}: ${values.join(', ')}`;
  }

  /** Zooms around the cursor, else around the middle. */
  #scale(by: number): void {
    const range = this.#chart.range();
    if (range === undefined || (by > 1 && this.#zoom === undefined)) return;
    const [from, to] = range;
    const middle = this.#cursor ?? (from + to) / 2;
    this.#setZoom([middle - by * (middle - from), middle + by * (to - middle)]);
  }

  #fillValues(): void {
    if (!this.#details.open) return;
    const rows = this.#lines.map(({ label, metric: { last, min, max, points, unit } }) => [
      label,
      ...[last, min, max].map((value) => formatValue(value, unit)),
      formatNumber(points),
    ]);
    this.#values.replaceChildren(table(this.plan.title, ['line', 'last', 'lowest', 'highest', 'points'], rows));
  }
}
