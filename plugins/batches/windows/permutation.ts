import type { RandomStream } from '../../../core/index.js';

const ROUNDS = 6;

/**
 * Returns a random permutation of 0 … size - 1 as a function, computed one element at a time without a list.
 * Source: Black and Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002, section 3: a Feistel
 * network over the next even number of bits, walked until it is back below `size`.
 */
export function permutation(size: number, random: RandomStream): (index: number) => number {
  const halfBits = Math.max(1, Math.ceil(Math.log2(Math.max(2, size)) / 2));
  const half = 2 ** halfBits;
  const keys = Array.from({ length: ROUNDS }, () => random.uint32());
  const once = (index: number): number => {
    let left = Math.floor(index / half);
    let right = index % half;
    for (let round = 0; round < ROUNDS; round++) {
      const mixed = (left ^ (mix(right ^ (keys[round] ?? 0)) % half)) >>> 0;
      left = right;
      right = mixed;
    }
    return left * half + right;
  };
  return (index) => {
    let at = once(index);
    while (at >= size) at = once(at);
    return at;
  };
}

/** The finalizer of MurmurHash3 (Appleby, 2011). */
function mix(word: number): number {
  let h = word >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
