import { z } from 'zod';
import type { Entry } from './file.js';

/** What a checkpoint keeps of a schedule. */
export const stateSchema = z.strictObject({
  file: z.string(),
  iter_of_last_op: z.int(),
  operations: z.array(z.strictObject({ name: z.string(), completed: z.boolean() })),
  reevaluating: z.int().nullable().default(null),
  metrics: z.record(z.string(), z.number()).default({}),
});
export type ScheduleState = z.output<typeof stateSchema>;

/**
 * Returns why a checkpoint's completion flags do not apply to a schedule; undefined if they do.
 * @param source the schedule's file, or what stands for it
 */
export function mismatch(
  { file, operations }: ScheduleState,
  source: string,
  entries: readonly Entry[],
): string | undefined {
  if (file !== source) {
    return `the checkpoint was made with the schedule ${file}, and this run has ${source}: using the flags of ${source}`;
  }
  const changed = operations.findIndex(({ name, completed }, at) => completed && name !== entries[at]?.name);
  if (changed === -1) return undefined;
  return `${file}: operation ${String(changed + 1)} has changed since it was completed: using the flags in the file, not those of the checkpoint`;
}
