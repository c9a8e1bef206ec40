import { byId, element, swatch } from './dom.js';
import { formatCount } from './format.js';
import { chosenIteration, sampledIterations, samplesAt, type SampledRun } from './samples.js';

/** A run with samples, and the CSS custom property of its colour. */
export interface ColouredRun extends SampledRun {
  readonly colour: string;
  /** Its name as shown. */
  readonly label: string;
}

/** The samples of the selected runs side by side, at an iteration that a slider chooses. */
export class SamplesPanel {
  readonly #rows = element('div', { class: 'sample-rows' });
  readonly #slider = element('input', { type: 'range', min: '0', step: '1', 'aria-label': 'Iteration of the samples' });
  readonly #place = element('output', { class: 'value' });
  readonly #controls = element('div', { class: 'sample-controls' }, 'Iteration', this.#slider, this.#place);
  #iterations: readonly number[] = [];
  #shown = '';

  /** @param onChoose called with the chosen iteration */
  constructor(onChoose: (iteration: number) => void) {
    byId('samples', HTMLElement).append(this.#controls, this.#rows);
    this.#slider.addEventListener('input', () => {
      const chosen = this.#iterations[this.#slider.valueAsNumber];
      if (chosen !== undefined) onChoose(chosen);
    });
  }

  /** Shows samples. @returns whether there are any */
  show(runs: readonly ColouredRun[], wanted: number | undefined): boolean {
    const having = runs.filter(({ samples }) => samples.length > 0);
    const iteration = chosenIteration(having, wanted);
    if (iteration === undefined) return false;
    this.#iterations = sampledIterations(having);
    const place = this.#iterations.indexOf(iteration);
    this.#slider.max = String(this.#iterations.length - 1);
    this.#slider.valueAsNumber = place;
    this.#slider.disabled = this.#iterations.length < 2;
    this.#place.textContent = formatCount(iteration);
    this.#slider.setAttribute('aria-valuetext', `iteration ${formatCount(iteration)}`);
    const rows = samplesAt(having, iteration);
    const shown = JSON.stringify([iteration, rows, having.map(({ label, colour }) => [label, colour])]);
    if (shown === this.#shown) return true;
    this.#shown = shown;
    this.#rows.style.setProperty('--runs', String(having.length));
    this.#rows.replaceChildren(
      ...rows.flatMap(({ prompt, texts }) =>
        having.map((run, at) => sample(run, iteration, prompt, texts[at] ?? null)),
      ),
    );
    return true;
  }
}

function sample({ label, colour }: ColouredRun, iteration: number, prompt: string, text: string | null): HTMLElement {
  const words =
    text === null
      ? element('p', { class: 'muted' }, `No sample at iteration ${formatCount(iteration)}.`)
      : element(
          'pre',
          { tabindex: '0', role: 'region', 'aria-label': `sample of ${label} at iteration ${String(iteration)}` },
          element('b', {}, prompt),
          text,
        );
  return element('article', { class: 'card sample' }, element('h3', {}, swatch(colour), label), words);
}
