import { element, swatch } from './dom.js';
import { statusBadge } from './panels.js';
import type { RunSummary } from './protocol.js';
import type { RunColumn } from './run-columns.js';
import type { RunLooks } from './run-looks.js';

/** What the table shows. */
export interface RunsTableContent {
  /** In their order. */
  readonly runs: readonly RunSummary[];
  readonly columns: readonly RunColumn[];
  readonly selected: ReadonlySet<string>;
  readonly baseline: string;
  readonly sort: string;
  readonly looks: RunLooks;
}

export interface RunsTableActions {
  select(runs: readonly string[], on: boolean): void;
  sort(key: string): void;
  /** Makes a run the baseline; the current one: there is no baseline. */
  pin(run: string): void;
  showDetails(run: string): void;
  /** Emphasizes a run; undefined: none. */
  pointAt(run: string | undefined): void;
}

interface Row {
  readonly root: HTMLTableRowElement;
  readonly tick: HTMLInputElement;
  readonly pin: HTMLButtonElement;
  readonly cells: readonly HTMLTableCellElement[];
}

/** The table of runs. Cells change in place, so that nothing moves under the pointer while runs train. */
export class RunsTable {
  readonly #all = element('input', { type: 'checkbox', 'aria-label': 'Select all runs of the table' });
  readonly #head = element('thead');
  readonly #body = element('tbody');
  readonly #nothing = element('p', { class: 'nothing', hidden: true }, 'No run matches the filter.');
  readonly #root: HTMLElement;
  readonly #rows = new Map<string, Row>();
  #columnsShown = '';
  #headShown = '';
  #sorted = '';
  #names: readonly string[] = [];

  constructor(
    host: HTMLElement,
    private readonly actions: RunsTableActions,
  ) {
    const caption = element('caption', { class: 'hidden-text' }, 'Runs; the headings sort');
    this.#root = element('table', { class: 'runs-table' }, caption, this.#head, this.#body);
    host.append(this.#root, this.#nothing);
    this.#all.addEventListener('change', () => actions.select(this.#names, this.#all.checked));
    this.#body.addEventListener('pointerleave', () => actions.pointAt(undefined));
  }

  show(content: RunsTableContent): void {
    const { runs, columns, selected, sort, looks, baseline } = content;
    const focused = this.#focused();
    const columnsShown = JSON.stringify([columns.map(({ key, title }) => [key, title]), looks.folder]);
    if (columnsShown !== this.#columnsShown) this.#rows.clear();
    this.#columnsShown = columnsShown;
    this.#showHead(columns, sort);
    const ticked = runs.filter(({ name }) => selected.has(name)).length;
    this.#all.checked = ticked > 0 && ticked === runs.length;
    this.#all.indeterminate = ticked > 0 && ticked < runs.length;
    this.#nothing.hidden = runs.length > 0;
    for (const run of runs) this.#update(this.#row(run, content), run, content);
    this.#order(runs, `${sort} ${baseline}`);
    if (focused !== undefined) this.#root.querySelector<HTMLElement>(focused)?.focus({ preventScroll: true });
  }

  /** Returns a selector for what has the focus in the table, whose elements may be replaced. */
  #focused(): string | undefined {
    const { activeElement } = document;
    if (activeElement === null || !this.#root.contains(activeElement)) return undefined;
    if (activeElement.id !== '') return `#${CSS.escape(activeElement.id)}`;
    const row = activeElement.closest('tr')?.dataset['run'];
    const own = activeElement.className === '' ? 'input' : `.${activeElement.className}`;
    return row === undefined ? undefined : `tr[data-run="${CSS.escape(row)}"] ${own}`;
  }

  #showHead(columns: readonly RunColumn[], sort: string): void {
    const shown = `${this.#columnsShown} ${sort}`;
    if (shown === this.#headShown) return;
    this.#headShown = shown;
    const cells = columns.map((column, at) => this.#heading(column, at, sort));
    this.#head.replaceChildren(element('tr', {}, ...cells));
  }

  #heading({ key, title, what, isNumber }: RunColumn, at: number, sort: string): HTMLElement {
    const direction = sort === key ? 'ascending' : sort === `-${key}` ? 'descending' : undefined;
    const button = element('button', { type: 'button', id: `sort-${key}`, title: what }, title);
    button.addEventListener('click', () => this.actions.sort(direction === 'ascending' ? `-${key}` : key));
    return element(
      'th',
      { scope: 'col', 'aria-sort': direction, class: isNumber ? 'number' : undefined },
      ...(at === 0 ? [element('span', { class: 'run' }, this.#all, button)] : [button]),
    );
  }

  #row(run: RunSummary, { columns, looks }: RunsTableContent): Row {
    const label = looks.label(run.name);
    const known = this.#rows.get(run.name);
    if (known !== undefined) return known;
    const { name } = run;
    const tick = element('input', { type: 'checkbox', 'aria-label': label });
    tick.addEventListener('change', () => this.actions.select([name], tick.checked));
    const open = element('button', { type: 'button', class: 'name', title: `Show the details of ${name}` }, label);
    open.addEventListener('click', () => this.actions.showDetails(name));
    const pin = element('button', { type: 'button', class: 'pin', 'aria-label': `Compare with ${label}` });
    pin.addEventListener('click', () => this.actions.pin(name));
    const first = element(
      'th',
      { scope: 'row' },
      element('span', { class: 'run' }, tick, swatch(looks.colour(name)), open, pin),
    );
    const cells = columns.slice(1).map(({ isNumber }) => element('td', { class: isNumber ? 'number' : undefined }));
    const root = element('tr', { 'data-run': name }, first, ...cells);
    root.addEventListener('pointerenter', ({ pointerType }) => {
      if (pointerType === 'mouse') this.actions.pointAt(name);
    });
    const row = { root, tick, pin, cells };
    this.#rows.set(name, row);
    return row;
  }

  #update({ root, tick, pin, cells }: Row, run: RunSummary, { columns, selected, baseline }: RunsTableContent): void {
    const isBaseline = run.name === baseline;
    root.classList.toggle('baseline', isBaseline);
    tick.checked = selected.has(run.name);
    root.classList.toggle('selected', tick.checked);
    pin.setAttribute('aria-pressed', String(isBaseline));
    pin.title = isBaseline ? 'Baseline: press to compare with no run' : 'Make this run the baseline';
    for (const [at, cell] of cells.entries()) {
      const column = columns[at + 1];
      if (column === undefined) continue;
      const text = column.text(run);
      if (cell.textContent !== text) cell.replaceChildren(column.key === 'status' ? statusBadge(run.status) : text);
      if (column.key !== 'difference') continue;
      const value = column.value(run);
      cell.classList.toggle('better', typeof value === 'number' && value < 0);
      cell.classList.toggle('worse', typeof value === 'number' && value > 0);
    }
  }

  /** Orders the rows. While the pointer or the focus is on them, only a new sort or baseline moves them. */
  #order(runs: readonly RunSummary[], sorted: string): void {
    const names = runs.map(({ name }) => name);
    const isSameSet = names.length === this.#names.length && names.every((name) => this.#names.includes(name));
    const isInUse = this.#body.matches(':hover, :focus-within') && isSameSet && this.#sorted === sorted;
    if (!isInUse) this.#names = names;
    this.#sorted = sorted;
    const rows = this.#names.flatMap((name) => this.#rows.get(name)?.root ?? []);
    const isSame =
      rows.length === this.#body.children.length && rows.every((row, at) => row === this.#body.children[at]);
    if (!isSame) this.#body.replaceChildren(...rows);
  }
}
