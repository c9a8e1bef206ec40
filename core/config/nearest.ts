import { closest, distance } from 'fastest-levenshtein';

/**
 * What to write instead of a name that nothing has: the nearest known one, the only one that it is a word of, or all of
 * them.
 * @param what how the known names are called, e.g. `known keys`
 */
export function suggestion(name: string, known: readonly string[], what: string): string {
  const near = nearestTo(name, known, Math.max(2, Math.floor(name.length / 2))) ?? onlyWithWord(name, known);
  return near !== undefined ? `did you mean "${near}"?` : `${what} are ${known.join(', ')}`;
}

/** The known name that the fewest changes of a character lead to, where so few do. */
export function nearestTo(name: string, known: readonly string[], changes: number): string | undefined {
  const near = closest(name, [...known]);
  return distance(name, near) <= changes ? near : undefined;
}

/** `warmup-cosine` for `cosine`. */
function onlyWithWord(word: string, known: readonly string[]): string | undefined {
  const [one, ...others] = known.filter((name) => name.split(/[-_.]/).includes(word));
  return others.length === 0 ? one : undefined;
}
