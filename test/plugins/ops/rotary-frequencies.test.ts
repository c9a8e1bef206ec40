import test from 'ava';
import { rotaryFrequencies, type RotaryScaling } from '../../../plugins/index.js';

const scaling = (factor: number, original_block_size: number): RotaryScaling => ({
  ...{ factor, low_freq_factor: 1, high_freq_factor: 4, original_block_size },
});

/** By transformers 5.24, `_compute_llama3_parameters`: some frequencies stay, one is in between, the others are low. */
const expected = [
  [
    ...([16, 500_000, scaling(8, 8192)] as const),
    [
      ...[1, 0.193922758102417, 0.03760603070259094, 0.00729266507551074, 0.0005248460220173001],
      ...[3.428102354519069e-5, 6.647869668086059e-6, 1.289173155782919e-6],
    ],
  ],
  [8, 10_000, scaling(32, 64), [1, 0.00372535502538085, 0.0003124999930150807, 3.125000148429535e-5]],
] as const;

test('Llama 3’s scaling of rotary frequencies equals transformers’', (t) => {
  for (const [headDim, base, scale, values] of expected) {
    const found = rotaryFrequencies(headDim, base, scale);
    t.is(found.length, values.length);
    for (const [i, value] of values.entries())
      t.true(Math.abs(found[i]! / value - 1) < 1e-6, `${String(found[i])} is not ${String(value)}`);
  }
});

test('equal arguments return the same list of rotary frequencies', (t) => {
  t.is(rotaryFrequencies(8, 10_000), rotaryFrequencies(8, 10_000, null));
  t.not(rotaryFrequencies(8, 10_000), rotaryFrequencies(8, 10_000, scaling(8, 64)));
  t.deepEqual(rotaryFrequencies(4, 100), [1, Math.fround(0.1)]);
});
