import type { DetailsCache } from './details-cache.js';
import { byId, element } from './dom.js';
import {
  configPanel,
  numbersPanel,
  overviewPanel,
  schedulePanel,
  startsPanel,
  statusBadge,
  timePanel,
} from './panels.js';
import type { RunDetails, RunSummary } from './protocol.js';

/** The details of one run, which a menu selects. */
export class FrontRun {
  readonly #choice = byId('front', HTMLSelectElement);
  readonly #overview = byId('overview-section', HTMLElement);
  #shown: RunSummary | undefined;
  #detailsShown: RunDetails | undefined;

  /** @param onChoose called with the selected run */
  constructor(
    private readonly details: DetailsCache,
    onChoose: (run: string) => void,
  ) {
    this.#choice.addEventListener('change', () => onChoose(this.#choice.value));
  }

  /**
   * Shows a run.
   * @param names of all runs, for the menu
   */
  show(run: RunSummary | undefined, names: readonly string[]): void {
    byId('panels', HTMLElement).hidden = run === undefined;
    this.#overview.hidden = run === undefined;
    // One run has its summary above its charts; of several, the table is the summary.
    const place = byId(names.length > 1 ? 'front-below' : 'front-above', HTMLElement);
    if (this.#overview.parentElement !== place) place.append(this.#overview);
    this.#list(names);
    if (run === undefined) return;
    this.#choice.value = run.name;
    if (run !== this.#shown) this.#showSummary(run);
    this.#shown = run;
    const details = this.details.get(run);
    if (details === undefined || details === this.#detailsShown) return;
    this.#detailsShown = details;
    fill('schedule', schedulePanel(details));
    fill('config', configPanel(details));
    fill('environment', startsPanel(details));
  }

  #showSummary(run: RunSummary): void {
    byId('front-name', HTMLElement).textContent = run.name;
    byId('front-status', HTMLElement).replaceChildren(statusBadge(run.status));
    fill('overview', overviewPanel(run));
    fill('time', timePanel(run));
    fill('numbers', numbersPanel(run));
  }

  #list(names: readonly string[]): void {
    byId('front-choice', HTMLElement).hidden = names.length < 2;
    const listed = [...this.#choice.options].map(({ value }) => value);
    if (listed.join('\n') !== names.join('\n'))
      this.#choice.replaceChildren(...names.map((name) => element('option', { value: name }, name)));
  }
}

/** Fills a panel; hides it if it is empty. */
function fill(id: string, children: readonly HTMLElement[]): void {
  byId(id, HTMLElement).replaceChildren(...children);
  byId(`${id}-section`, HTMLElement).hidden = children.length === 0;
}
