import { z } from 'zod';

/** What was seen of the monitored metric. */
export const progressSchema = z.strictObject({
  /** The best value, and the iterations done when it was measured. */
  best: z.strictObject({ value: z.number(), iteration: z.int().min(0) }).nullable(),
  /** The value that the next improvement is counted from. */
  reference: z.number().nullable(),
  /** Values since that one. */
  waited: z.int().min(0),
});
export type Progress = z.output<typeof progressSchema>;

export const start: Progress = { best: null, reference: null, waited: 0 };

export interface Rule {
  readonly mode: 'min' | 'max';
  /** A smaller change is no improvement. */
  readonly minDelta: number;
}

/**
 * What is known after one more value. An improvement is better by more than `minDelta` than the last improvement was,
 * as in Keras and Lightning; the best is the best whatever the difference. A value that is NaN improves nothing.
 */
export function seen({ best, reference, waited }: Progress, value: number, iteration: number, rule: Rule): Progress {
  const better = (than: number | undefined, by: number): boolean => {
    const gain = (value - (than ?? 0)) * (rule.mode === 'min' ? -1 : 1);
    return Number.isFinite(value) && (than === undefined || gain > by);
  };
  const improved = better(reference ?? undefined, rule.minDelta);
  return {
    best: better(best?.value, 0) ? { value, iteration } : best,
    reference: improved ? value : reference,
    waited: improved ? 0 : waited + 1,
  };
}
