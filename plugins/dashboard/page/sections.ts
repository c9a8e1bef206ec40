import type { CurrentView } from './current-view.js';
import { byId, element } from './dom.js';

/** The foldable sections of the page, and the table of contents that leads to them. */
export class Sections {
  readonly #contents = byId('contents', HTMLElement);
  #listed = '';

  constructor(private readonly view: CurrentView) {
    for (const section of sectionsOfPage()) this.#watch(section);
  }

  /** Makes a section, folded if the view says so. */
  make(id: string, title: string): HTMLDetailsElement {
    const heading = element('h2', { id: `${id}-title` }, title);
    const section = element(
      'details',
      { class: 'section', id, open: true },
      element('summary', {}, heading, element('span', { class: 'count' })),
    );
    this.#watch(section);
    return section;
  }

  /** Lists the sections that are shown. */
  list(): void {
    const sections = sectionsOfPage().filter(({ hidden }) => !hidden);
    const entries = sections.map(({ id, dataset }) => ({ id, title: titleOf(id), count: dataset['count'] ?? '' }));
    const listed = JSON.stringify(entries);
    if (listed === this.#listed) return;
    this.#listed = listed;
    this.#contents.replaceChildren(
      ...entries.map(({ id, title, count }) => {
        const link = element('a', { href: `#${id}` }, title, element('span', { class: 'count' }, count));
        link.addEventListener('click', (event) => {
          // The address keeps the view.
          event.preventDefault();
          this.goTo(id);
        });
        return element('li', {}, link);
      }),
    );
  }

  /** Unfolds a section, scrolls to it, and moves the focus there. */
  goTo(id: string): void {
    const section = byId(id, HTMLDetailsElement);
    section.open = true;
    section.scrollIntoView();
    section.querySelector('summary')?.focus({ preventScroll: true });
    document.body.classList.remove('menu');
  }

  #watch(section: HTMLDetailsElement): void {
    section.open = !this.view.value.folded.includes(section.id);
    section.addEventListener('toggle', () => {
      const others = this.view.value.folded.filter((id) => id !== section.id);
      const folded = section.open ? others : [...others, section.id];
      if (folded.length !== this.view.value.folded.length) this.view.change({ folded });
    });
  }
}

/** Says how many charts or runs a section has, next to its title. */
export function setCount(section: HTMLDetailsElement, count: string): void {
  section.dataset['count'] = count;
  const shown = section.querySelector('summary > .count');
  if (shown !== null && shown.textContent !== count) shown.textContent = count;
}

function sectionsOfPage(): HTMLDetailsElement[] {
  return [...document.querySelectorAll<HTMLDetailsElement>('details.section')];
}

function titleOf(id: string): string {
  return byId(`${id}-title`, HTMLElement).textContent;
}
