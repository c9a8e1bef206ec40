import { byId } from './dom.js';
import { formatNumber } from './format.js';
import type { Axis } from './protocol.js';
import { sliderAt, weightAt } from './series.js';
import { storeView, storedView, type Theme, type View } from './view.js';

const DEBOUNCE_MS = 80;

/** The controls for axis, log scale, smoothing and theme. */
export class Controls {
  readonly view: View & { theme: Theme } = storedView();
  readonly #log = byId('log', HTMLInputElement);
  readonly #smoothing = byId('smoothing', HTMLInputElement);
  readonly #weight = byId('smoothing-value', HTMLElement);
  readonly #theme = byId('theme', HTMLSelectElement);
  #pending: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly onView: () => void,
    private readonly onTheme: () => void,
  ) {
    for (const input of document.querySelectorAll<HTMLInputElement>('input[name="axis"]')) {
      input.checked = input.value === this.view.axis;
      input.addEventListener('change', () => this.#change({ axis: axisOf(input.value) }));
    }
    this.#log.checked = this.view.log;
    this.#log.addEventListener('change', () => this.#change({ log: this.#log.checked }));
    this.#smoothing.valueAsNumber = sliderAt(this.view.smoothing);
    this.#smoothing.addEventListener('input', () => {
      this.#change({ smoothing: Math.round(1000 * weightAt(this.#smoothing.valueAsNumber)) / 1000 }, DEBOUNCE_MS);
    });
    this.#theme.value = this.view.theme;
    this.#theme.addEventListener('change', () => {
      const { value } = this.#theme;
      this.view.theme = value === 'light' || value === 'dark' ? value : 'system';
      this.#applyTheme();
      storeView(this.view);
    });
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.onTheme());
    this.#applyTheme();
    this.#showWeight();
  }

  #change(part: Partial<View>, waitMs = 0): void {
    Object.assign(this.view, part);
    this.#showWeight();
    clearTimeout(this.#pending);
    this.#pending = setTimeout(() => {
      storeView(this.view);
      this.onView();
    }, waitMs);
  }

  #showWeight(): void {
    const { smoothing } = this.view;
    this.#weight.textContent = smoothing === 0 ? 'off' : formatNumber(smoothing);
    this.#smoothing.setAttribute('aria-valuetext', this.#weight.textContent);
  }

  #applyTheme(): void {
    const { theme } = this.view;
    if (theme === 'system') delete document.documentElement.dataset['theme'];
    else document.documentElement.dataset['theme'] = theme;
    this.onTheme();
  }
}

function axisOf(value: string): Axis {
  return value === 'tokens' || value === 'time' ? value : 'iteration';
}
