import test from 'ava';
import fc from '../../property.js';
import { choose } from '../../../plugins/models/gpt/choose.js';

/** The definition: everything sorted, every share computed. */
function slowly(logits: Float32Array, temperature: number, topK: number, uniform: number): number {
  const top = Math.max(...logits);
  const largest = logits.indexOf(top);
  if (temperature === 0) return largest;
  const limit = topK > 0 && topK < logits.length ? (logits.toSorted().at(-topK) ?? -Infinity) : -Infinity;
  const shares = Array.from(logits, (logit) => (logit < limit ? 0 : Math.exp((logit - top) / temperature)));
  let left = uniform * shares.reduce((sum, share) => sum + share, 0);
  for (const [id, share] of shares.entries()) {
    left -= share;
    if (left < 0) return id;
  }
  return largest;
}

test('the token that is drawn is that of sorting the whole vocabulary, ties included', (t) => {
  // Few different values, so that many are equal.
  const logits = fc.array(fc.integer({ min: -9, max: 9 }), { minLength: 1, maxLength: 60 });
  const unit = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  fc.assert(
    fc.property(logits, fc.nat(70), fc.constantFrom(0, 0.3, 1, 4), unit, (values, topK, temperature, uniform) => {
      const given = Float32Array.from(values, (value) => value / 3);
      const chosen = choose(given, { temperature, topK, random: () => uniform });
      t.is(chosen, slowly(given, temperature, topK, uniform));
    }),
    { numRuns: 2000 },
  );
});
