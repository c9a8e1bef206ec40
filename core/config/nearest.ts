import { closest, distance } from 'fastest-levenshtein';

/**
 * What to write instead of a name that nothing has: the nearest known one, or all of them where none is near.
 * @param what how the known names are called, e.g. `known keys`
 */
export function suggestion(name: string, known: readonly string[], what: string): string {
  const near = closest(name, [...known]);
  const isNear = distance(name, near) <= Math.max(2, Math.floor(name.length / 2));
  return isNear ? `did you mean "${near}"?` : `${what} are ${known.join(', ')}`;
}
