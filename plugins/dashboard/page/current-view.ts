import { storedSettings, storeSettings } from './stored-settings.js';
import { FIRST_VIEW, hashOf, viewOfHash, type View } from './view.js';

/** The view of this page, kept in its address. */
export class CurrentView {
  #view: View;
  #pending: ReturnType<typeof setTimeout> | undefined;

  /** @param onChange called after each change, to show it */
  constructor(private readonly onChange: () => void) {
    const { axis, log, smoothing } = storedSettings();
    // An address contains the whole view; the settings of the last visit are for a page that was opened without one.
    this.#view = location.hash === '' ? { ...FIRST_VIEW, axis, log, smoothing } : viewOfHash(location.hash);
    // Only an address that was typed, pasted or gone back to: the page's own changes do not fire this event.
    addEventListener('hashchange', () => location.reload());
  }

  get value(): View {
    return this.#view;
  }

  /** @param waitMs delay before the change is shown; another change restarts it */
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
