import { storedSettings, storeSettings } from './stored-settings.js';
import { FIRST_VIEW, hashOf, viewOfHash, type View } from './view.js';

/** The view of this page, kept in its address. */
export class CurrentView {
  #view: View;
  #pending: ReturnType<typeof setTimeout> | undefined;

  /** @param onChange called after each change, to show it */
  constructor(private readonly onChange: () => void) {
    const { axis, log, smoothing } = storedSettings();
    // An address says everything: the last visit is for a page that was opened without one.
    this.#view = location.hash === '' ? { ...FIRST_VIEW, axis, log, smoothing } : viewOfHash(location.hash);
    // The page changes its address without this event: it comes from an address that was typed or pasted.
    addEventListener('hashchange', () => location.reload());
  }

  get value(): View {
    return this.#view;
  }

  /** @param waitMs shows the change after this time, unless there is another one */
  change(part: Partial<View>, waitMs = 0): void {
    this.#view = { ...this.#view, ...part };
    clearTimeout(this.#pending);
    const show = (): void => {
      const { axis, log, smoothing } = this.#view;
      storeSettings({ axis, log, smoothing });
      const hash = hashOf(this.#view);
      history.replaceState(null, '', hash === '' ? location.href.replace(/#.*$/, '') : `#${hash}`);
      this.onChange();
    };
    if (waitMs === 0) show();
    else this.#pending = setTimeout(show, waitMs);
  }
}
