type Attributes = Readonly<Record<string, string | boolean | undefined>>;
type Child = Node | string;

/** Makes an element. Strings become text nodes: nothing that a run wrote is parsed as HTML. */
export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    made.setAttribute(attribute, value === true ? '' : value);
  }
  made.append(...children);
  return made;
}

/** Returns text whose parts in backticks are code. */
export function proseNodes(text: string): Child[] {
  return text.split('`').map((part, at) => (at % 2 === 1 ? element('code', {}, part) : part));
}

/** Returns the element with this id. */
export function byId<Kind extends HTMLElement>(id: string, kind: new () => Kind): Kind {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`the page has no ${id}`);
  return found;
}

/** Makes a table. By default only screen readers see the caption. */
export function table(
  caption: string,
  head: readonly string[],
  rows: readonly (readonly Child[])[],
  captionClass = 'hidden-text',
): HTMLTableElement {
  return element(
    'table',
    {},
    element('caption', { class: captionClass }, caption),
    element('thead', {}, element('tr', {}, ...head.map((text) => element('th', { scope: 'col' }, text)))),
    element(
      'tbody',
      {},
      ...rows.map(([first = '', ...others]) =>
        element('tr', {}, element('th', { scope: 'row' }, first), ...others.map((child) => element('td', {}, child))),
      ),
    ),
  );
}

/**
 * Makes a short line in a colour.
 * @param colour CSS custom property
 * @param kind further class: `dashed`
 */
export function swatch(colour: string, kind = ''): HTMLElement {
  const made = element('span', { class: kind === '' ? 'swatch' : `swatch ${kind}` });
  made.style.setProperty('--swatch', `var(${colour})`);
  return made;
}
