import { z } from 'zod';

/** What is compared, in the order of a run. */
const compared = z.enum(['weights', 'batch', 'gradients']);
export type Compared = z.output<typeof compared>;

/** A moment at which a run waits to be compared, and what it has then. */
export const momentSchema = z.strictObject({
  type: z.literal('moment'),
  what: compared,
  /** Iterations that have begun; 0 for the initial weights. */
  iteration: z.int().min(0),
  tensors: z.array(z.strictObject({ name: z.string(), shape: z.array(z.int()), digest: z.string() })),
});
export type Moment = z.output<typeof momentSchema>;

export type Values = Float32Array | Int32Array | Uint8Array;
const values: z.ZodType<Values> = z.union([
  z.instanceof(Float32Array),
  z.instanceof(Int32Array),
  z.instanceof(Uint8Array),
]);

/** Answer with the elements of one of the moment's tensors. */
export const valuesSchema = z.strictObject({ type: z.literal('values'), values });
export type ValuesAnswer = z.output<typeof valuesSchema>;

/** Message of the comparing process: let the run continue, or send a tensor's elements. */
export const questionSchema = z.union([
  z.strictObject({ type: z.literal('go') }),
  z.strictObject({ type: z.literal('values'), name: z.string() }),
]);
export type Question = z.output<typeof questionSchema>;
