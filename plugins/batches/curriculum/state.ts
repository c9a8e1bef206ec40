import { z } from 'zod';

/** Version of the state that `stateSchema` describes. */
export const STATE_VERSION = 2;

const starts = z.array(z.int().min(0));
const served = z.array(z.int().min(0));
const roundsSchema = { alpha: z.number(), chunks: z.int().min(0), pool: starts, queue: starts };

const stateSchema = z.strictObject({
  served,
  windows: z.int().min(0),
  rounds: z.strictObject({ blockSize: z.int().min(1), ...roundsSchema }).nullable(),
  /** Id of the data that `rounds` was drawn from. */
  data: z.string().optional(),
});
export type State = z.output<typeof stateSchema>;

/** State of version 1, which chose whole batches. */
const batchesSchema = z.strictObject({
  served,
  batches: z.int().min(0),
  rounds: z
    .strictObject({
      shape: z.strictObject({ batchSize: z.int().min(1), blockSize: z.int().min(1) }),
      ...roundsSchema,
    })
    .nullable(),
  data: z.string().optional(),
});

/** Reads a state of any version. @param warn called with what cannot be kept */
export function readState(state: unknown, version: number, warn: (line: string) => void): State {
  if (version !== 1) return stateSchema.parse(state);
  const { batches, rounds, ...rest } = batchesSchema.parse(state);
  if (rounds === null) return { ...rest, windows: 0, rounds };
  warn(
    'curriculum: the checkpoint is from a version that chose whole batches. Candidates are now chosen window by window, and `candidates` and `round` count windows; the record of tokens served is kept',
  );
  const { shape, alpha, chunks } = rounds;
  const { batchSize, blockSize } = shape;
  return { ...rest, windows: batches * batchSize, rounds: { blockSize, alpha, chunks, pool: [], queue: [] } };
}
