const MULTIPLIER_0_HIGH = 0xd251;
const MULTIPLIER_0_LOW = 0x1f53;
const MULTIPLIER_1_HIGH = 0xcd9e;
const MULTIPLIER_1_LOW = 0x8d57;
const WEYL_0 = 0x9e3779b9;
const WEYL_1 = 0xbb67ae85;
const ROUNDS = 10;

/**
 * Philox4x32-10: fills `words` with random 32-bit words, four per counter, starting at the given counter and
 * incrementing the 64-bit number in its first two words.
 * Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC'11, section 4.3.
 */
export function philox(
  [key0, key1]: readonly [number, number],
  [counter0, counter1, counter2, counter3]: readonly [number, number, number, number],
  words: Uint32Array,
): void {
  let [low, high] = [counter0 | 0, counter1 | 0];
  for (let at = 0; at + 4 <= words.length; at += 4) {
    let [c0, c1, c2, c3, k0, k1] = [low, high, counter2 | 0, counter3 | 0, key0 | 0, key1 | 0];
    for (let round = 0; round < ROUNDS; round++) {
      // 64-bit products from 16-bit halves: no sum exceeds 32 bits.
      const [first, second] = [c0 & 0xffff, c0 >>> 16];
      const lows = Math.imul(MULTIPLIER_0_LOW, first);
      const middle = (Math.imul(MULTIPLIER_0_HIGH, first) + (lows >>> 16)) | 0;
      const carry = (Math.imul(MULTIPLIER_0_LOW, second) + (middle & 0xffff)) | 0;
      const [otherFirst, otherSecond] = [c2 & 0xffff, c2 >>> 16];
      const otherLows = Math.imul(MULTIPLIER_1_LOW, otherFirst);
      const otherMiddle = (Math.imul(MULTIPLIER_1_HIGH, otherFirst) + (otherLows >>> 16)) | 0;
      const otherCarry = (Math.imul(MULTIPLIER_1_LOW, otherSecond) + (otherMiddle & 0xffff)) | 0;
      c0 = (Math.imul(MULTIPLIER_1_HIGH, otherSecond) + (otherMiddle >>> 16) + (otherCarry >>> 16)) ^ c1 ^ k0;
      c1 = (otherCarry << 16) | (otherLows & 0xffff);
      c2 = (Math.imul(MULTIPLIER_0_HIGH, second) + (middle >>> 16) + (carry >>> 16)) ^ c3 ^ k1;
      c3 = (carry << 16) | (lows & 0xffff);
      k0 = (k0 + WEYL_0) | 0;
      k1 = (k1 + WEYL_1) | 0;
    }
    words[at] = c0;
    words[at + 1] = c1;
    words[at + 2] = c2;
    words[at + 3] = c3;
    low = (low + 1) | 0;
    if (low === 0) high = (high + 1) | 0;
  }
}

/** Returns the counter of a block in a lane. @param block from 0, below 2⁵³ */
export function counterOf(
  block: number,
  [lane0, lane1]: readonly [number, number],
): readonly [number, number, number, number] {
  return [block >>> 0, Math.floor(block / 2 ** 32), lane0, lane1];
}
