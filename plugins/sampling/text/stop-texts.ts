/** Cuts a text that comes in pieces, of whatever lengths, before the first of `stops` that is complete. */
export class StopTexts {
  /** What may be the beginning of a stop text. */
  #held = '';
  #found = false;

  constructor(private readonly stops: readonly string[]) {}

  /** Whether a stop text came. */
  get found(): boolean {
    return this.#found;
  }

  /** Takes the next piece. @returns what no later piece makes a part of a stop text */
  add(piece: string): string {
    if (this.#found) return '';
    const text = this.#held + piece;
    const at = firstStop(text, this.stops);
    this.#found = at !== -1;
    const sure = this.#found ? at : text.length - this.#beginning(text);
    this.#held = this.#found ? '' : text.slice(sure);
    return text.slice(0, sure);
  }

  /** What was held back, at the end of the text. */
  end(): string {
    const rest = this.#held;
    this.#held = '';
    return rest;
  }

  /** Length of the longest end of a text that a stop text begins with. */
  #beginning(text: string): number {
    const longest = Math.max(0, ...this.stops.map(({ length }) => length - 1));
    for (let length = Math.min(longest, text.length); length > 0; length--) {
      const end = text.slice(-length);
      if (this.stops.some((stop) => stop.startsWith(end))) return length;
    }
    return 0;
  }
}

/** Where the stop text begins that is complete first, whichever pieces the text came in; -1 without one. */
function firstStop(text: string, stops: readonly string[]): number {
  let [start, end] = [-1, Infinity];
  for (const stop of stops) {
    const at = text.indexOf(stop);
    if (at === -1 || at + stop.length > end || (at + stop.length === end && at > start)) continue;
    [start, end] = [at, at + stop.length];
  }
  return start;
}
