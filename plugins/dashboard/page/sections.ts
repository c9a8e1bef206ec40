import type { CurrentView } from './current-view.js';
import { byId, element } from './dom.js';

/** A section or a group of charts in the table of contents. */
interface Entry {
  readonly id: string;
  /** The section that it is in. */
  readonly section: string;
  readonly title: string;
  readonly count: string;
}

/** Sections with more charts list their groups, too. */
const LONG = 24;

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

  /** Lists the sections that are shown, and the groups of those that are long. */
  list(): void {
    const entries = sectionsOfPage()
      .filter(({ hidden }) => !hidden)
      .flatMap((section): Entry[] => {
        const { id, dataset } = section;
        const groups = Number(dataset['count'] ?? 0) > LONG ? groupsOf(section) : [];
        return [{ id, section: id, title: titleOf(id), count: dataset['count'] ?? '' }, ...groups];
      });
    const listed = JSON.stringify(entries);
    if (listed === this.#listed) return;
    this.#listed = listed;
    this.#contents.replaceChildren(...entries.map((entry) => this.#entry(entry)));
  }

  #entry({ id, section, title, count }: Entry): HTMLElement {
    const link = element('a', { href: `#${id}` }, title, element('span', { class: 'count' }, count));
    link.addEventListener('click', (event) => {
      // The address keeps the view.
      event.preventDefault();
      this.#goTo(section, id);
    });
    return element('li', { class: id === section ? undefined : 'group' }, link);
  }

  /** Unfolds a section, scrolls to a place in it, and moves the focus to its heading. */
  #goTo(id: string, place: string): void {
    document.body.classList.remove('menu');
    const section = byId(id, HTMLDetailsElement);
    section.open = true;
    byId(place, HTMLElement).scrollIntoView();
    section.querySelector('summary')?.focus({ preventScroll: true });
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

function groupsOf(section: HTMLElement): Entry[] {
  return [...section.querySelectorAll<HTMLElement>(':scope > .multiples')].map((group) => ({
    id: group.id,
    section: section.id,
    title: group.ariaLabel ?? '',
    count: String(group.querySelectorAll('.chart').length),
  }));
}

function titleOf(id: string): string {
  return byId(`${id}-title`, HTMLElement).textContent;
}
