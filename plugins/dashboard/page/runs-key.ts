import type { ShownRun } from './card-lines.js';
import { element, swatch } from './dom.js';

/** Further runs are counted. */
const MAX_RUNS = 12;

/** The selected runs and their colours, always visible. */
export class RunsKey {
  #shown = '';

  /** @param pointAt emphasizes a run; undefined: none */
  constructor(
    private readonly host: HTMLElement,
    private readonly pointAt: (run: string | undefined) => void,
  ) {
    host.addEventListener('pointerleave', () => pointAt(undefined));
  }

  show(runs: readonly ShownRun[]): void {
    const shown = JSON.stringify(runs.map(({ label, colour, isBaseline }) => [label, colour, isBaseline]));
    if (shown === this.#shown) return;
    this.#shown = shown;
    const more = runs.length - MAX_RUNS;
    this.host.replaceChildren(
      ...runs.slice(0, MAX_RUNS).map((run) => this.#entry(run)),
      ...(more > 0 ? [element('li', { class: 'muted' }, `and ${String(more)} more`)] : []),
      ...(runs.length === 0 ? [element('li', { class: 'muted' }, 'none')] : []),
    );
  }

  #entry({ summary: { name }, label, colour, isBaseline }: ShownRun): HTMLElement {
    const entry = element(
      'li',
      { title: name },
      swatch(colour, isBaseline ? 'thick' : ''),
      element('span', { class: 'name' }, label),
      ...(isBaseline ? [element('span', { class: 'muted' }, 'baseline')] : []),
    );
    entry.addEventListener('pointerenter', ({ pointerType }) => {
      if (pointerType === 'mouse') this.pointAt(name);
    });
    return entry;
  }
}
