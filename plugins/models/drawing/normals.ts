import { counterOf, philox, WORDS_OF_A_NORMAL, type StreamPlace } from '../../../core/random/index.js';

const FLOAT_UNIT = 2 ** -32;
const WORDS_AT_ONCE = 4096;

const words = new Uint32Array(WORDS_AT_ONCE);

/**
 * Fills `values` with `deviation · stream.normal()` for a stream at `place`, with the same bits as number by number.
 */
export function fillNormals(values: Float32Array, { key, lane, counter }: StreamPlace, deviation: number): void {
  let at = counter % 4;
  let block = Math.floor(counter / 4);
  for (let first = 0; first < values.length;) {
    philox(key, counterOf(block, lane), words);
    const last = Math.min(values.length, first + Math.floor((WORDS_AT_ONCE - at) / WORDS_OF_A_NORMAL));
    for (let i = first; i < last; i++, at += WORDS_OF_A_NORMAL) {
      const radius = Math.sqrt(-2 * Math.log(((words[at] ?? 0) + 0.5) * FLOAT_UNIT));
      values[i] = deviation * (radius * Math.cos(2 * Math.PI * ((words[at + 1] ?? 0) * FLOAT_UNIT)));
    }
    // An odd counter leaves half a block at the end, so the last block is computed again.
    block += Math.floor(at / 4);
    at %= 4;
    first = last;
  }
}

/** Returns the place `count` normal numbers further. */
export function placeAfter({ key, lane, counter }: StreamPlace, count: number): StreamPlace {
  return { key, lane, counter: counter + WORDS_OF_A_NORMAL * count };
}
