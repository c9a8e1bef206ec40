/** Returns whether each word of a filter is in one of these texts. Case does not matter. */
export function matchesFilter(filter: string, texts: readonly string[]): boolean {
  const lower = texts.map((text) => text.toLowerCase());
  const words = filter.toLowerCase().split(/\s+/);
  return words.every((word) => lower.some((text) => text.includes(word)));
}
