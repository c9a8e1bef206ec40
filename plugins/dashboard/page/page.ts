import { colourOf, type ShownRun } from './card-lines.js';
import { ChartCard } from './chart-card.js';
import { Controls } from './controls.js';
import { byId, element } from './dom.js';
import { chartSections, LOSS_CHART, type ChartPlan } from './groups.js';
import {
  configPanel,
  numbersPanel,
  overviewPanel,
  samplesPanel,
  schedulePanel,
  startsPanel,
  statusBadge,
  timePanel,
} from './panels.js';
import type { MetricSummary, RunSummary } from './protocol.js';
import type { Connection, Source } from './source.js';

const connectionWords: Record<Connection, string> = {
  live: 'Live',
  lost: 'Connection lost; reconnecting',
  refused: 'The server refused the connection: close other dashboard pages, then reload',
  ended: 'The server has ended; `espalier dashboard` shows the run again',
  report: 'Report',
};

/** The page: the list of runs, the charts of those that are ticked, and details of one of them, the front run. */
export class Page {
  readonly #controls: Controls;
  readonly #runList = byId('runs', HTMLElement);
  readonly #front = byId('front', HTMLSelectElement);
  readonly #charts = byId('charts', HTMLElement);
  readonly #cards = new Map<string, ChartCard>();
  #runs: readonly RunSummary[] = [];
  /** Names of the ticked runs; undefined until there are runs, then the first one is ticked. */
  #chosen: Set<string> | undefined;
  #detailsShown = '';
  #chartsShown = '';
  #runsShown = '';

  constructor(private readonly source: Source) {
    this.#controls = new Controls(
      () => this.#updateCards(),
      () => this.#recolour(),
    );
    this.#front.addEventListener('change', () => this.#showFront());
  }

  start(): void {
    this.source.watch(
      (runs) => this.#take(runs),
      (connection, words) => this.#showConnection(connection, words ?? connectionWords[connection]),
    );
  }

  #showConnection(connection: Connection, words: string): void {
    const shown = byId('connection', HTMLElement);
    shown.dataset['state'] = connection;
    shown.textContent = words;
    document.body.dataset['mode'] = connection === 'report' ? 'report' : 'live';
  }

  #take(runs: readonly RunSummary[]): void {
    this.#runs = runs;
    const [first] = runs;
    if (first !== undefined) this.#chosen ??= new Set([first.name]);
    const nothing = byId('nothing', HTMLElement);
    nothing.hidden = runs.length > 0;
    nothing.textContent = 'No run yet.';
    this.#listRuns();
    this.#showChosen();
  }

  #showChosen(): void {
    this.#layOutCharts();
    this.#updateCards();
    this.#listFront();
    this.#showFront();
  }

  /** Returns the ticked runs. Each keeps its colour whatever else is ticked. */
  #shown(): ShownRun[] {
    return this.#runs
      .map((summary, colour) => ({ summary, colour }))
      .filter(({ summary }) => this.#chosen?.has(summary.name));
  }

  #listRuns(): void {
    const shown = JSON.stringify(this.#runs.map(({ name, status }) => [name, status]));
    if (shown === this.#runsShown) return;
    this.#runsShown = shown;
    const focused = document.activeElement?.id;
    this.#runList.replaceChildren(...this.#runs.map((run, at) => this.#runEntry(run, at)));
    if (focused !== undefined && focused !== '') document.getElementById(focused)?.focus();
  }

  #runEntry({ name, status }: RunSummary, at: number): HTMLElement {
    const checked = this.#chosen?.has(name) ?? false;
    const input = element('input', { type: 'checkbox', id: `run-${String(at)}`, checked });
    input.addEventListener('change', () => {
      if (input.checked) this.#chosen?.add(name);
      else this.#chosen?.delete(name);
      this.#showChosen();
    });
    const swatch = element('span', { class: 'swatch' });
    swatch.style.setProperty('--swatch', `var(${colourOf(at)})`);
    return element(
      'li',
      {},
      element('label', {}, input, swatch, element('span', { class: 'name' }, name)),
      statusBadge(status),
    );
  }

  /** Builds the sections and cards; does nothing if they have not changed. */
  #layOutCharts(): void {
    const byName = new Map<string, MetricSummary>();
    for (const { summary } of this.#shown()) {
      for (const metric of summary.metrics) {
        // Runs of earlier versions have no units: prefer one that has.
        if (byName.get(metric.name)?.unit === undefined || metric.unit !== '') byName.set(metric.name, metric);
      }
    }
    const sections = chartSections([...byName.values()]);
    const shown = JSON.stringify(sections);
    if (shown === this.#chartsShown) return;
    this.#chartsShown = shown;
    const kept = new Map(this.#cards);
    this.#cards.clear();
    this.#charts.replaceChildren(
      ...sections.map(({ title, charts }) => section(title, ...charts.map((plan) => this.#card(plan, kept).root))),
    );
  }

  #card(plan: ChartPlan, kept: ReadonlyMap<string, ChartCard>): ChartCard {
    const key = JSON.stringify(plan);
    const card = kept.get(key) ?? new ChartCard(plan, this.source, plan.id === LOSS_CHART);
    this.#cards.set(key, card);
    return card;
  }

  #updateCards(): void {
    const shown = this.#shown();
    for (const card of this.#cards.values()) card.update(shown, this.#controls.view);
  }

  #recolour(): void {
    for (const card of this.#cards.values()) card.recolour();
  }

  /** Lists the ticked runs in the menu that selects the front run. */
  #listFront(): void {
    const names = this.#shown().map(({ summary }) => summary.name);
    const before = this.#front.value;
    const listed = [...this.#front.options].map(({ value }) => value);
    if (listed.join('\n') !== names.join('\n')) {
      this.#front.replaceChildren(...names.map((name) => element('option', { value: name }, name)));
      if (names.includes(before)) this.#front.value = before;
    }
    byId('front-choice', HTMLElement).hidden = names.length < 2;
  }

  #showFront(): void {
    const run = this.#runs.find(({ name }) => name === this.#front.value);
    byId('panels', HTMLElement).hidden = run === undefined;
    byId('overview-section', HTMLElement).hidden = run === undefined;
    if (run === undefined) return;
    byId('front-name', HTMLElement).textContent = run.name;
    byId('front-status', HTMLElement).replaceChildren(statusBadge(run.status));
    document.title = `${run.name} – Espalier`;
    fill('overview', overviewPanel(run));
    fill('time', timePanel(run));
    fill('numbers', numbersPanel(run));
    void this.#showDetails(run);
  }

  async #showDetails({ name, detailsVersion }: RunSummary): Promise<void> {
    const wanted = JSON.stringify([name, detailsVersion]);
    if (wanted === this.#detailsShown) return;
    this.#detailsShown = wanted;
    try {
      const details = await this.source.details(name);
      if (wanted !== this.#detailsShown) return;
      fill('schedule', schedulePanel(details));
      fill('samples', samplesPanel(details));
      fill('config', configPanel(details));
      fill('environment', startsPanel(details));
    } catch {
      this.#detailsShown = '';
    }
  }
}

/** Fills a panel; hides it if it is empty. */
function fill(id: string, children: readonly HTMLElement[]): void {
  byId(id, HTMLElement).replaceChildren(...children);
  byId(`${id}-section`, HTMLElement).hidden = children.length === 0;
}

function section(title: string, ...cards: readonly HTMLElement[]): HTMLElement {
  const id = `section-${title.toLowerCase().replaceAll(/[^\w]+/g, '-')}`;
  return element(
    'section',
    { 'aria-labelledby': id },
    element('h2', { id }, title),
    element('div', { class: 'grid' }, ...cards),
  );
}
