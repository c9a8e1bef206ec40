/** Cuts a text that arrives in pieces before the first complete stop text. */
export class StopTexts {
  /** Possible beginning of a stop text, held back. */
  #held = '';
  #found = false;

  constructor(private readonly stops: readonly string[]) {}

  /** True once a stop text has occurred. */
  get found(): boolean {
    return this.#found;
  }

  /** Adds a piece. @returns the text that cannot belong to a stop text any more */
  add(piece: string): string {
    if (this.#found) return '';
    const text = this.#held + piece;
    const at = firstStop(text, this.stops);
    this.#found = at !== -1;
    const sure = this.#found ? at : text.length - this.#beginning(text);
    this.#held = this.#found ? '' : text.slice(sure);
    return text.slice(0, sure);
  }

  /** Returns the text held back, at the end of the text. */
  end(): string {
    const rest = this.#held;
    this.#held = '';
    return rest;
  }

  /** Returns the length of the longest suffix that a stop text begins with. */
  #beginning(text: string): number {
    const longest = Math.max(0, ...this.stops.map(({ length }) => length - 1));
    for (let length = Math.min(longest, text.length); length > 0; length--) {
      const end = text.slice(-length);
      if (this.stops.some((stop) => stop.startsWith(end))) return length;
    }
    return 0;
  }
}

/**
 * Returns the start of the stop text that is complete first, however the text is cut into pieces; -1 if there is none.
 */
function firstStop(text: string, stops: readonly string[]): number {
  let [start, end] = [-1, Infinity];
  for (const stop of stops) {
    const at = text.indexOf(stop);
    if (at === -1 || at + stop.length > end || (at + stop.length === end && at > start)) continue;
    [start, end] = [at, at + stop.length];
  }
  return start;
}
