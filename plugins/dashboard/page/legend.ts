import type { CardLine } from './card-lines.js';
import { element } from './dom.js';

/** The legend of a chart: a button for each line, with its value, that shows or hides the line. */
export class Legend {
  readonly root = element('ul', { class: 'legend' });
  readonly #values = new Map<string, HTMLElement>();
  readonly #hidden = new Set<string>();
  #shown = '';

  constructor(private readonly onToggle: () => void) {}

  isHidden(key: string): boolean {
    return this.#hidden.has(key);
  }

  /** Shows the entries of these lines; rebuilds them only if the lines have changed. */
  show(lines: readonly CardLine[]): void {
    const shown = JSON.stringify(lines.map(({ key, label, colour, dash }) => [key, label, colour, dash]));
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.#values.clear();
    this.root.replaceChildren(...lines.map((line) => element('li', {}, this.#entry(line))));
  }

  setValue(key: string, text: string): void {
    const value = this.#values.get(key);
    if (value !== undefined && value.textContent !== text) value.textContent = text;
  }

  #entry({ key, label, colour, dash }: CardLine): HTMLElement {
    const swatch = element('span', { class: `swatch ${dash === 0 ? '' : dash === 1 ? 'dashed' : 'dotted'}` });
    swatch.style.setProperty('--swatch', `var(${colour})`);
    const value = element('span', { class: 'value' });
    this.#values.set(key, value);
    const pressed = !this.#hidden.has(key);
    const title = 'Show or hide this line';
    const button = element('button', { type: 'button', 'aria-pressed': String(pressed), title }, swatch, label, value);
    button.addEventListener('click', () => {
      const hide = !this.#hidden.delete(key);
      if (hide) this.#hidden.add(key);
      button.setAttribute('aria-pressed', String(!hide));
      this.onToggle();
    });
    return button;
  }
}
