import type { CurrentView } from './current-view.js';
import { byId } from './dom.js';
import { formatNumber } from './format.js';
import { sliderAt, weightAt } from './series.js';
import { forgetThemeColours } from './theme-colours.js';
import { storedSettings, storeSettings, type Theme } from './stored-settings.js';
import { axisOf } from './view.js';

const DEBOUNCE_MS = 80;
/** Delay while someone types. */
const TYPING_MS = 150;

/** The controls for axis, scales, smoothing, filters and theme. */
export class Controls {
  readonly #smoothing = byId('smoothing', HTMLInputElement);
  readonly #weight = byId('smoothing-value', HTMLElement);

  /** @param onTheme called when the colours have changed */
  constructor(
    private readonly view: CurrentView,
    private readonly onTheme: () => void,
  ) {
    const { value } = view;
    for (const input of document.querySelectorAll<HTMLInputElement>('input[name="axis"]')) {
      input.checked = input.value === value.axis;
      input.addEventListener('change', () => view.change({ axis: axisOf(input.value), zoom: undefined }));
    }
    this.#tick('log', value.log, (log) => view.change({ log }));
    this.#tick('same-scale', value.sameScale, (sameScale) => view.change({ sameScale }));
    this.#search('filter', value.filter, (filter) => view.change({ filter }, TYPING_MS));
    this.#search('metrics', value.metrics, (metrics) => view.change({ metrics }, TYPING_MS));
    this.#smoothing.valueAsNumber = sliderAt(value.smoothing);
    this.#smoothing.addEventListener('input', () => {
      view.change({ smoothing: Math.round(1000 * weightAt(this.#smoothing.valueAsNumber)) / 1000 }, DEBOUNCE_MS);
      this.#showWeight();
    });
    this.#chooseTheme();
    this.#openMenu();
    this.#showWeight();
  }

  #tick(id: string, checked: boolean, onChange: (checked: boolean) => void): void {
    const input = byId(id, HTMLInputElement);
    input.checked = checked;
    input.addEventListener('change', () => onChange(input.checked));
  }

  #search(id: string, value: string, onChange: (value: string) => void): void {
    const input = byId(id, HTMLInputElement);
    input.value = value;
    input.addEventListener('input', () => onChange(input.value));
  }

  #showWeight(): void {
    const { smoothing } = this.view.value;
    this.#weight.textContent = smoothing === 0 ? 'off' : formatNumber(smoothing);
    this.#smoothing.setAttribute('aria-valuetext', this.#weight.textContent);
  }

  #chooseTheme(): void {
    const choice = byId('theme', HTMLSelectElement);
    choice.value = storedSettings().theme;
    choice.addEventListener('change', () => {
      const theme = choice.value === 'light' || choice.value === 'dark' ? choice.value : 'system';
      this.#applyTheme(theme);
      storeSettings({ theme });
    });
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#recolour());
    this.#applyTheme(storedSettings().theme);
  }

  #applyTheme(theme: Theme): void {
    if (theme === 'system') delete document.documentElement.dataset['theme'];
    else document.documentElement.dataset['theme'] = theme;
    this.#recolour();
  }

  #recolour(): void {
    forgetThemeColours();
    this.onTheme();
  }

  /** On a narrow screen a button shows the view's settings and the contents. */
  #openMenu(): void {
    const button = byId('menu', HTMLButtonElement);
    button.addEventListener('click', () => document.body.classList.toggle('menu'));
    document.addEventListener('keydown', ({ key }) => {
      if (key === 'Escape') document.body.classList.remove('menu');
    });
    const show = (): void => button.setAttribute('aria-expanded', String(document.body.classList.contains('menu')));
    new MutationObserver(show).observe(document.body, { attributeFilter: ['class'] });
    show();
  }
}
