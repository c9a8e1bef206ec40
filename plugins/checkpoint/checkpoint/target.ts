import { messageOf, type LoadedCheckpoint, type Logger, type StoredTensor } from '../../../core/index.js';
import { isEmergency, iterationOf } from '../stored/find.js';
import type { CheckpointMedium } from '../writing/medium.js';

/** Where to look for a checkpoint to roll back to. */
interface Place {
  readonly medium: CheckpointMedium;
  /** Warned about each checkpoint that is skipped. */
  readonly log: Logger;
}

/** Reads the newest checkpoint up to an iteration that is undamaged and finite. */
export function newestUpTo(iteration: number, place: Place): Promise<LoadedCheckpoint | undefined> {
  return firstWhole((each) => each <= iteration, place);
}

/** Reads the checkpoint of an iteration, if it is undamaged and finite. */
export function checkpointOf(iteration: number, place: Place): Promise<LoadedCheckpoint | undefined> {
  return firstWhole((each) => each === iteration, place);
}

async function firstWhole(
  counts: (iteration: number) => boolean,
  { medium, log }: Place,
): Promise<LoadedCheckpoint | undefined> {
  const names = (await medium.names()).filter((name) => counts(iterationOf(name)));
  // Of two at the same iteration the emergency one comes last: an uninterrupted run would not have it.
  names.sort((a, b) => iterationOf(b) - iterationOf(a) || Number(isEmergency(a)) - Number(isEmergency(b)));
  for (const name of names) {
    try {
      const found = await medium.read(name);
      const bad = notFinite(found.weights) ?? notFinite(found.optimizer.tensors);
      if (bad === undefined) return found;
      log.warn(`skipping checkpoint ${name}: its ${bad} is not finite`);
    } catch (thrown) {
      log.warn(`${messageOf(thrown)} (skipped, not deleted)`);
    }
  }
  return undefined;
}

function notFinite(tensors: ReadonlyMap<string, StoredTensor>): string | undefined {
  return [...tensors].find(([, { values }]) => !values.every((value) => Number.isFinite(value)))?.[0];
}
