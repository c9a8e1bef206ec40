import { closest, distance } from 'fastest-levenshtein';

/**
 * Returns what to suggest for an unknown name: the nearest known one, else the only one that contains it as a word,
 * else the whole list.
 * @param what what the known names are, e.g. `known keys`
 */
export function suggestion(name: string, known: readonly string[], what: string): string {
  const near = nearestTo(name, known, Math.max(2, Math.floor(name.length / 2))) ?? onlyWithWord(name, known);
  return near !== undefined ? `did you mean "${near}"?` : `${what} are ${known.join(', ')}`;
}

/** Returns the known name at the smallest edit distance, if that is at most `changes`. */
export function nearestTo(name: string, known: readonly string[], changes: number): string | undefined {
  const near = closest(name, [...known]);
  return distance(name, near) <= changes ? near : undefined;
}

/** Finds `warmup-cosine` for `cosine`. */
function onlyWithWord(word: string, known: readonly string[]): string | undefined {
  const [one, ...others] = known.filter((name) => name.split(/[-_.]/).includes(word));
  return others.length === 0 ? one : undefined;
}
