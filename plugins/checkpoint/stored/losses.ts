import path from 'node:path';
import { z } from 'zod';
import { LineFollower } from '../../dashboard/contract.js';

const evaluationSchema = z.object({ iter: z.int(), 'val/loss': z.number() });

/** Validation losses by iteration, as the run's own log has them; none where it keeps no log. @param run its folder */
export async function validationLosses(run: string): Promise<ReadonlyMap<number, number>> {
  const losses = new Map<number, number>();
  const note = (line: string): void => {
    // Most lines are of training: they are not worth parsing.
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
