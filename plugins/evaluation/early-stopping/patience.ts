import { z } from 'zod';

/** Progress of the monitored metric. */
export const progressSchema = z.strictObject({
  /** The best value, and the iterations done when it was measured. */
  best: z.strictObject({ value: z.number(), iteration: z.int().min(0) }).nullable(),
  /** The value that the next one must improve on. */
  reference: z.number().nullable(),
  /** Values seen since the last improvement. */
  waited: z.int().min(0),
});
export type Progress = z.output<typeof progressSchema>;

export const start: Progress = { best: null, reference: null, waited: 0 };

export interface Rule {
  readonly mode: 'min' | 'max';
  /** Smallest change that counts as an improvement. */
  readonly minDelta: number;
}

/**
 * Returns the progress after one more value. As in Keras and Lightning, an improvement is better than the last
 * improvement by more than `minDelta`. `best` is updated by any better value. NaN is never an improvement.
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
