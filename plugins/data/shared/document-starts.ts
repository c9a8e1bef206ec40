/** Collects the positions at which documents begin, while tokens are scanned in order. */
export class DocumentStarts {
  #starts = new Float64Array(1024);
  #count = 0;

  /** Adds a position, unless it equals the last one. */
  add(position: number): void {
    if (this.#count > 0 && this.#starts[this.#count - 1] === position) return;
    if (this.#count === this.#starts.length) {
      const larger = new Float64Array(2 * this.#count);
      larger.set(this.#starts);
      this.#starts = larger;
    }
    this.#starts[this.#count++] = position;
  }

  /**
   * Adds the documents that begin in these tokens. An end-of-text token is the last token of its document.
   * @param at position of the first token
   * @param ended whether the previous token ended a document
   * @returns whether the last token ends a document
   */
  scan(tokens: Uint16Array | Uint32Array | Int32Array, at: number, endOfText: number, ended: boolean): boolean {
    if (ended && tokens.length > 0) this.add(at);
    for (let end = tokens.indexOf(endOfText); end !== -1; end = tokens.indexOf(endOfText, end + 1)) {
      if (end === tokens.length - 1) return true;
      this.add(at + end + 1);
    }
    return ended && tokens.length === 0;
  }

  all(): Float64Array {
    return this.#starts.slice(0, this.#count);
  }
}
