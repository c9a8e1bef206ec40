const resolved = new Map<string, string>();

/** Resolves a custom property to a colour in the current theme, since a canvas cannot use `var()`. */
export function themeColour(property: string): string {
  const known = resolved.get(property);
  if (known !== undefined) return known;
  const probe = document.documentElement;
  probe.style.setProperty('outline-color', `var(${property})`);
  const colour = getComputedStyle(probe).outlineColor;
  resolved.set(property, colour);
  return colour;
}

/** Call this when the theme changes. */
export function forgetThemeColours(): void {
  resolved.clear();
}
