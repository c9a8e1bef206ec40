import type { ShownRun } from './card-lines.js';
import { ChartCard, type CardSize } from './chart-card.js';
import { element } from './dom.js';
import { matchesFilter } from './filter.js';
import { chartSections, LOSS_CHART, type ChartGroup, type ChartPlan, type ChartSection } from './groups.js';
import { nameOf } from './metric-names.js';
import type { MetricSummary } from './protocol.js';
import { setCount, type Sections } from './sections.js';
import type { Source } from './source.js';
import type { View } from './view.js';

interface PlacedCard {
  readonly card: ChartCard;
  /** The metrics of its group. */
  readonly related: readonly string[];
}

/** The charts of the selected runs, in sections. */
export class Charts {
  readonly #sections = new Map<string, HTMLDetailsElement>();
  #cards = new Map<string, PlacedCard>();
  #shown = '';
  #emphasized: string | undefined;

  constructor(
    private readonly host: HTMLElement,
    private readonly source: Source,
    private readonly sections: Sections,
    private readonly onZoom: (range: [number, number] | undefined) => void,
  ) {
    for (const [event, isPrinted] of [
      ['beforeprint', true],
      ['afterprint', false],
    ] as const) {
      addEventListener(event, () => {
        for (const { card } of this.#cards.values()) card.print(isPrinted);
      });
    }
  }

  update(runs: readonly ShownRun[], view: View): void {
    this.#layOut(chartSections(metricsOf(runs, view.metrics)), emptyWords(runs, view));
    for (const { card, related } of this.#cards.values()) card.update({ runs, view, related });
  }

  recolour(): void {
    for (const { card } of this.#cards.values()) card.recolour();
  }

  /** Draws the other runs faintly; undefined: none. */
  emphasize(run: string | undefined): void {
    if (run === this.#emphasized) return;
    this.#emphasized = run;
    for (const { card } of this.#cards.values()) card.emphasize(run);
  }

  /**
   * Builds the sections and cards; does nothing if they have not changed.
   * @param empty what to say without any
   */
  #layOut(sections: readonly ChartSection[], empty: string): void {
    const shown = JSON.stringify([sections, empty]);
    if (shown === this.#shown) return;
    this.#shown = shown;
    const kept = this.#cards;
    this.#cards = new Map();
    const made = sections.map((section) => this.#section(section, kept));
    this.host.replaceChildren(...(made.length === 0 ? [element('p', { class: 'nothing' }, empty)] : made));
  }

  #section({ title, groups }: ChartSection, kept: ReadonlyMap<string, PlacedCard>): HTMLElement {
    const id = `section-${title.toLowerCase().replaceAll(/[^\w]+/g, '-')}`;
    const section = this.#sections.get(id) ?? this.sections.make(id, title);
    this.#sections.set(id, section);
    setCount(section, String(groups.reduce((sum, { charts }) => sum + charts.length, 0)));
    const singles = groups.filter(({ charts }) => charts.length === 1);
    const cards = singles.flatMap((group) =>
      group.charts.map((plan) => this.#card(plan, group, plan.id === LOSS_CHART ? 'wide' : 'normal', kept)),
    );
    const several = groups.filter(({ charts }) => charts.length > 1).map((group) => this.#multiples(group, kept));
    section.replaceChildren(
      ...[...section.children].slice(0, 1),
      ...(cards.length === 0 ? [] : [element('div', { class: 'grid' }, ...cards)]),
      ...several,
    );
    return section;
  }

  #multiples(group: ChartGroup, kept: ReadonlyMap<string, PlacedCard>): HTMLElement {
    const unit = group.unit === 'share' ? '%' : group.unit;
    return element(
      'div',
      { class: 'multiples', role: 'group', 'aria-label': group.title, id: `group-${group.charts[0]?.id ?? ''}` },
      element('h3', {}, group.title, element('span', { class: 'unit' }, unit)),
      element('div', { class: 'small-grid' }, ...group.charts.map((plan) => this.#card(plan, group, 'small', kept))),
    );
  }

  #card(plan: ChartPlan, { charts }: ChartGroup, size: CardSize, kept: ReadonlyMap<string, PlacedCard>): HTMLElement {
    const key = JSON.stringify([plan, size]);
    const card = kept.get(key)?.card ?? new ChartCard(plan, this.source, size, this.onZoom);
    this.#cards.set(key, { card, related: charts.map(({ metric }) => metric) });
    return card.root;
  }
}

/** Says why there are no charts. */
function emptyWords(runs: readonly ShownRun[], { filter, metrics }: View): string {
  if (runs.length === 0)
    return filter === '' ? 'Select a run in the table to see its charts.' : 'No selected run matches the filter.';
  return metrics === '' ? 'No metrics yet.' : 'No metric matches.';
}

/** Returns the metrics of some runs that match the words of a filter. */
function metricsOf(runs: readonly ShownRun[], filter: string): MetricSummary[] {
  const byName = new Map<string, MetricSummary>();
  for (const { summary } of runs) {
    for (const metric of summary.metrics) {
      // Runs of earlier versions have no units: prefer one that has.
      if (byName.get(metric.name)?.unit === undefined || metric.unit !== '') byName.set(metric.name, metric);
    }
  }
  return [...byName.values()].filter(({ name }) => matchesFilter(filter, [name, nameOf(name)]));
}
