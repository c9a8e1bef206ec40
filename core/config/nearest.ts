import { closest, distance } from 'fastest-levenshtein';

/**
 * What to write instead of a name that nothing has: the nearest known one, or all of them where none is near.
 * @param what how the known names are called, e.g. `known keys`
 */
export function suggestion(name: string, known: readonly string[], what: string): string {
  const near = nearestTo(name, known, Math.max(2, Math.floor(name.length / 2)));
  return near !== undefined ? `did you mean "${near}"?` : `${what} are ${known.join(', ')}`;
}

/** The known name that the fewest changes of a character lead to, where so few do. */
export function nearestTo(name: string, known: readonly string[], changes: number): string | undefined {
  const near = closest(name, [...known]);
  return distance(name, near) <= changes ? near : undefined;
}
