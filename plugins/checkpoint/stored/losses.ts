import path from 'node:path';
import { z } from 'zod';
import { LineFollower } from '../../dashboard/contract.js';

const evaluationSchema = z.object({ iter: z.int(), 'val/loss': z.number() });

/** Reads the validation losses by iteration from a run's log; empty if it has no log. @param run the run's folder */
export async function validationLosses(run: string): Promise<ReadonlyMap<number, number>> {
  const losses = new Map<number, number>();
  const note = (line: string): void => {
    // Most lines are about training: skip them without parsing.
    if (!line.includes('"val/loss"')) return;
    const { data } = evaluationSchema.safeParse(parsed(line));
    if (data !== undefined) losses.set(data.iter, data['val/loss']);
  };
  await new LineFollower(path.join(run, 'metrics.jsonl')).read(note, () => {
    losses.clear();
  });
  return losses;
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
