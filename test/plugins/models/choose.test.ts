import { readFileSync } from 'node:fs';
import test from 'ava';
import { z } from 'zod';
import fc from '../../property.js';
import { candidates, chooseToken, penalized, type TokenChoice } from '../../../plugins/models/generation/choose.js';

type Definition = Record<keyof Omit<TokenChoice, 'random'>, number>;

/** The definition: sorts everything and computes every share. */
function slowly(
  logits: Float32Array,
  { temperature, topK, topP, repetitionPenalty }: Definition,
  text: readonly number[],
  uniform: number,
): number {
  const scores = logits.map((logit, id) =>
    !text.includes(id) ? logit : logit < 0 ? logit * repetitionPenalty : logit / repetitionPenalty,
  );
  const top = Math.max(...scores);
  const largest = scores.indexOf(top);
  if (temperature === 0) return largest;
  const limit = topK > 0 && topK < scores.length ? (scores.toSorted().at(-topK) ?? -Infinity) : -Infinity;
  const shares = Array.from(scores, (score) => (score < limit ? 0 : Math.exp((score - top) / temperature)));
  const kept = topP < 1 ? nucleus(shares, topP) : shares;
  let left = uniform * kept.reduce((sum, share) => sum + share, 0);
  for (const [id, share] of kept.entries()) {
    left -= share;
    if (left < 0) return id;
  }
  return largest;
}

function nucleus(shares: readonly number[], topP: number): number[] {
  const sum = shares.reduce((all, share) => all + share, 0);
  let kept = 0;
  const least = shares.toSorted((a, b) => b - a).find((share) => (kept += share) >= topP * sum) ?? 0;
  return shares.map((share) => (share < least ? 0 : share));
}

// Few different values, so that there are many ties.
const someLogits = fc
  .array(fc.integer({ min: -9, max: 9 }), { minLength: 1, maxLength: 60 })
  .map((values) => Float32Array.from(values, (value) => value / 3));
const unit = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const someText = fc.array(fc.nat(70), { maxLength: 9 });

test('the drawn token is the same as with sorting the whole vocabulary, ties included', (t) => {
  const choices: fc.Arbitrary<Definition> = fc.record({
    temperature: fc.constantFrom(0, 0.3, 1, 4),
    topK: fc.nat(70),
    topP: fc.constantFrom(1, 1, 0.999, 0.83, 0.41, 0.01),
    repetitionPenalty: fc.constantFrom(1, 1, 1.25, 0.5, 4),
  });
  fc.assert(
    fc.property(someLogits, choices, someText, unit, (logits, choice, text, uniform) => {
      const before = logits.slice();
      const chosen = chooseToken(logits, { ...choice, random: () => uniform }, text);
      t.is(chosen, slowly(logits, choice, text, uniform));
      t.deepEqual(logits, before);
    }),
    { numRuns: 3000 },
  );
});

test('a top-p of 1 and a repetition penalty of 1 have no effect', (t) => {
  fc.assert(
    fc.property(
      someLogits,
      fc.nat(70),
      fc.constantFrom(0, 1, 4),
      someText,
      unit,
      (logits, topK, temperature, text, u) => {
        const choice = { temperature, topK, random: () => u };
        const without = chooseToken(logits, choice, text);
        t.is(chooseToken(logits, { ...choice, topP: 1, repetitionPenalty: 1 }, text), without);
      },
    ),
  );
});

const fixture = z.object({
  logits: z.array(z.number()),
  text: z.array(z.number()),
  cases: z.array(
    z.object({
      repetitionPenalty: z.number(),
      temperature: z.number(),
      topK: z.number(),
      topP: z.number(),
      probabilities: z.array(z.number()),
    }),
  ),
});

test('probabilities equal those of Hugging Face transformers’ processors', (t) => {
  const { logits, text, cases } = fixture.parse(
    JSON.parse(readFileSync('test/fixtures/sampling/transformers.json', 'utf8')),
  );
  for (const { probabilities, ...choice } of cases) {
    const scores = penalized(Float32Array.from(logits), text, choice.repetitionPenalty);
    const { ids, shares, sum } = candidates(scores, Math.max(...scores), choice);
    const found = new Map(ids.map((id, i) => [id, (shares[i] ?? 0) / sum]));
    const what = JSON.stringify(choice);
    for (const [id, expected] of probabilities.entries()) {
      const probability = found.get(id) ?? 0;
      t.is(probability > 0, expected > 0, `${what}: token ${String(id)}`);
      t.true(
        Math.abs(probability - expected) <= 2e-5 * expected,
        `${what}: ${String(probability)}, ${String(expected)}`,
      );
    }
  }
});
