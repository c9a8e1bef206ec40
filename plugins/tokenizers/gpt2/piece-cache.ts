const ENTRIES = 1 << 17;
const SLOTS = 1 << 18;
const KEY_UNITS = ENTRIES * 12;
const IDS = ENTRIES * 6;

/** Longer pieces are rare and seldom repeat. */
const LONGEST = 64;

/**
 * Caches the tokens of pieces, since words repeat. A hash table over typed arrays, so that a lookup creates no string;
 * it is cleared when full.
 */
export class PieceCache {
  /** Entry + 1 by hash, linear probing; 0 is free. */
  readonly #slots = new Int32Array(SLOTS);
  readonly #hashes = new Int32Array(ENTRIES);
  /** Where the key and the tokens of each entry start; each ends where the next one's start. */
  readonly #keyStarts = new Int32Array(ENTRIES + 1);
  readonly #idStarts = new Int32Array(ENTRIES + 1);
  readonly #keys = new Uint16Array(KEY_UNITS);
  readonly #ids = new Int32Array(IDS);
  #count = 0;

  /** Copies a piece's tokens to `into` at `at`; returns how many, 0 if the piece is not cached. */
  copy(units: Uint16Array, start: number, end: number, into: Int32Array, at: number): number {
    const hash = hashOf(units, start, end);
    for (let slot = hash & (SLOTS - 1); ; slot = (slot + 1) & (SLOTS - 1)) {
      const entry = (this.#slots[slot] ?? 0) - 1;
      if (entry === -1) return 0;
      if (this.#hashes[entry] !== hash || !this.#hasKey(entry, units, start, end)) continue;
      const from = this.#idStarts[entry] ?? 0;
      const to = this.#idStarts[entry + 1] ?? 0;
      for (let id = from; id < to; id++) into[at + id - from] = this.#ids[id] ?? 0;
      return to - from;
    }
  }

  add(units: Uint16Array, start: number, end: number, ids: readonly number[]): void {
    if (end - start > LONGEST) return;
    const keyStart = this.#keyStarts[this.#count] ?? 0;
    const idStart = this.#idStarts[this.#count] ?? 0;
    const full = this.#count === ENTRIES || keyStart + end - start > KEY_UNITS || idStart + ids.length > IDS;
    if (full) {
      this.#count = 0;
      this.#slots.fill(0);
      this.add(units, start, end, ids);
      return;
    }
    const hash = hashOf(units, start, end);
    let slot = hash & (SLOTS - 1);
    while (this.#slots[slot] !== 0) slot = (slot + 1) & (SLOTS - 1);
    this.#hashes[this.#count] = hash;
    this.#keys.set(units.subarray(start, end), keyStart);
    this.#ids.set(ids, idStart);
    this.#count++;
    this.#keyStarts[this.#count] = keyStart + end - start;
    this.#idStarts[this.#count] = idStart + ids.length;
    this.#slots[slot] = this.#count;
  }

  #hasKey(entry: number, units: Uint16Array, start: number, end: number): boolean {
    const from = this.#keyStarts[entry] ?? 0;
    if ((this.#keyStarts[entry + 1] ?? 0) - from !== end - start) return false;
    for (let at = start; at < end; at++) if (this.#keys[from + at - start] !== units[at]) return false;
    return true;
  }
}

/** FNV-1a over code units, with the high bits mixed into the low ones. */
function hashOf(units: Uint16Array, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ (units[at] ?? 0), 0x01000193);
  return hash ^ (hash >>> 15);
}
