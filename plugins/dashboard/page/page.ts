import type { ShownRun } from './card-lines.js';
import { Charts } from './charts.js';
import { Controls } from './controls.js';
import { CurrentView } from './current-view.js';
import { DetailsCache } from './details-cache.js';
import { byId, proseNodes } from './dom.js';
import { FrontRun } from './front-run.js';
import type { RunSummary } from './protocol.js';
import { columnsFor, matches, sortedRuns, type RunColumn } from './run-columns.js';
import { RunLooks } from './run-looks.js';
import { firstSelection, inOrder } from './run-order.js';
import { RunsKey } from './runs-key.js';
import { RunsTable } from './runs-table.js';
import { SamplesPanel } from './samples-panel.js';
import { Sections, setCount } from './sections.js';
import type { Connection, Source } from './source.js';

const LOADING = 'Loading runs …';
const connectionWords: Record<Connection, string> = {
  open: '',
  lost: 'Connection lost; reconnecting',
  refused: 'The server refused the connection: close other dashboard pages, then reload',
  ended: 'The server has ended; `espalier dashboard` shows the run again',
  report: 'Report',
};

/** The page: the table of runs, the charts and samples of the selected ones, and the details of one of them. */
export class Page {
  readonly #view = new CurrentView(() => this.#show());
  readonly #sections = new Sections(this.#view);
  readonly #looks = new RunLooks();
  readonly #details: DetailsCache;
  readonly #charts: Charts;
  readonly #table: RunsTable;
  readonly #key: RunsKey;
  readonly #samples = new SamplesPanel((sample) => this.#view.change({ sample }));
  readonly #front: FrontRun;
  #runs: readonly RunSummary[] = [];
  /** The runs whose charts and samples are shown. */
  #shown: readonly ShownRun[] = [];
  /** The page's own selection, until someone selects. */
  #first: readonly string[] | undefined;
  #connection: { state: Connection; words: string | undefined } = { state: 'lost', words: LOADING };

  constructor(private readonly source: Source) {
    this.#details = new DetailsCache(source, () => this.#showDetails());
    const pointAt = (run: string | undefined): void => this.#charts.emphasize(run);
    this.#charts = new Charts(byId('charts', HTMLElement), source, this.#sections, (zoom) =>
      this.#view.change({ zoom }),
    );
    this.#key = new RunsKey(byId('selected', HTMLElement), pointAt);
    this.#table = new RunsTable(byId('runs', HTMLElement), {
      select: (runs, on) => this.#select(runs, on),
      sort: (sort) => this.#view.change({ sort }),
      pin: (run) => this.#pin(run),
      showDetails: (details) => {
        this.#view.change({ details });
        byId('overview-section', HTMLElement).scrollIntoView();
      },
      pointAt,
    });
    this.#front = new FrontRun(this.#details, (details) => this.#view.change({ details }));
    new Controls(this.#view, () => this.#charts.recolour());
    const main = byId('main', HTMLElement);
    document.querySelector('.skip')?.addEventListener('click', (event) => {
      // The address keeps the view.
      event.preventDefault();
      main.focus();
    });
  }

  start(): void {
    this.source.watch(
      (runs) => this.#take(runs),
      (state, words) => {
        this.#connection = { state, words };
        this.#showConnection();
      },
    );
  }

  #take(runs: readonly RunSummary[]): void {
    this.#looks.add(runs);
    this.#runs = inOrder(runs);
    if (runs.length > 0) this.#first ??= firstSelection(this.#runs);
    this.#show();
    this.#showConnection();
  }

  /** "Live" is shown only while a run trains. */
  #showConnection(): void {
    const { state, words } = this.#connection;
    const isLive = state === 'open' && this.#runs.some(({ status }) => status === 'running');
    const shown = byId('connection', HTMLElement);
    shown.dataset['state'] = isLive ? 'live' : state;
    shown.replaceChildren(...proseNodes(isLive ? 'Live' : (words ?? connectionWords[state])));
    document.body.dataset['mode'] = state === 'report' ? 'report' : 'live';
  }

  #show(): void {
    const nothing = byId('nothing', HTMLElement);
    nothing.hidden = this.#runs.length > 0;
    nothing.textContent = this.#connection.state === 'lost' ? LOADING : 'No run yet.';
    // One run needs no table.
    for (const id of ['runs-section', 'selected-section']) byId(id, HTMLElement).hidden = this.#runs.length < 2;
    if (this.#runs.length === 0) return;
    const baseline = this.#runs.find(({ name }) => name === this.#view.value.baseline);
    const columns = columnsFor(this.#runs, baseline);
    this.#showTable(columns, baseline);
    this.#shown = this.#selectedRuns(columns);
    this.#key.show(this.#shown);
    this.#charts.update(this.#shown, this.#view.value);
    this.#showDetails();
  }

  #showTable(columns: readonly RunColumn[], baseline: RunSummary | undefined): void {
    const { filter, sort } = this.#view.value;
    const matching = sortedRuns(
      this.#runs.filter((run) => run !== baseline && matches(run, columns, filter)),
      columns,
      sort,
    );
    const runs = baseline === undefined ? matching : [baseline, ...matching];
    const selected = new Set(this.#selection());
    this.#table.show({ runs, columns, selected, baseline: baseline?.name ?? '', sort, looks: this.#looks });
    const total = String(this.#runs.length);
    setCount(
      byId('runs-section', HTMLDetailsElement),
      runs.length < this.#runs.length ? `${String(runs.length)} of ${total}` : total,
    );
  }

  /** Shows the samples, the details of one run, and the contents. */
  #showDetails(): void {
    const { details, sample } = this.#view.value;
    const sampled = this.#shown.map(({ summary, label, colour }) => {
      return { label, colour, samples: this.#details.get(summary)?.samples ?? [] };
    });
    byId('samples-section', HTMLElement).hidden = !this.#samples.show(sampled, sample);
    const front = this.#runs.find(({ name }) => name === details) ?? this.#shown[0]?.summary ?? this.#runs[0];
    const names = this.#runs.map(({ name }) => name);
    this.#front.show(front, names);
    const [only] = names;
    document.title = names.length === 1 && only !== undefined ? `${only} – Espalier` : 'Espalier';
    this.#sections.list();
  }

  #selection(): readonly string[] {
    return this.#view.value.runs ?? this.#first ?? [];
  }

  /** Returns the selected runs that match the filter, and the baseline if it is selected. */
  #selectedRuns(columns: readonly RunColumn[]): ShownRun[] {
    const { filter, baseline } = this.#view.value;
    const selected = new Set(this.#selection());
    return this.#runs
      .filter((run) => selected.has(run.name) && (run.name === baseline || matches(run, columns, filter)))
      .map((summary) => {
        const { name } = summary;
        return {
          summary,
          label: this.#looks.label(name),
          colour: this.#looks.colour(name),
          isBaseline: name === baseline,
        };
      });
  }

  #select(names: readonly string[], on: boolean): void {
    const others = this.#selection().filter((name) => !names.includes(name));
    this.#view.change({ runs: on ? [...others, ...names] : others });
  }

  /** A baseline is selected, too: its curves are what others are compared with. */
  #pin(run: string): void {
    if (this.#view.value.baseline === run) this.#view.change({ baseline: '' });
    else this.#view.change({ baseline: run, runs: [...new Set([...this.#selection(), run])] });
  }
}
