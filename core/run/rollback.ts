import path from 'node:path';
import type { CheckpointStore, LoadedCheckpoint } from '../contracts/checkpoint-store.js';
import { fromFirstRank, type Ranks } from '../contracts/ranks.js';
import type { EventBus } from '../events/bus.js';
import type { Logger } from '../logger.js';
import type { RollbackRequest, RunControl } from './control.js';
import { ofRank, rollBackTo, type RestoreTargets } from './restore.js';

export interface RollbackParts {
  readonly bus: EventBus;
  readonly control: RunControl;
  /** The run's folder, as printed. */
  readonly shown: string;
  readonly log: Logger;
  readonly ranks: Ranks;
  /** Undefined if no plugin writes checkpoints. */
  readonly store: CheckpointStore | undefined;
  readonly targets: RestoreTargets;
}

/** Means that there is no checkpoint. */
const NONE = -1;

/**
 * Serves a rollback request and publishes `run:rollback`. If there is no checkpoint to roll back to, the run stops,
 * with an emergency checkpoint.
 */
export async function rollBack(request: RollbackRequest, parts: RollbackParts): Promise<void> {
  const { bus, control, shown, log, ranks, store, targets } = parts;
  const { what, reason } = request;
  await store?.written();
  const found = await agreedTarget(request, parts);
  if (found === undefined) {
    const wanted = request.to === 'latest' ? 'no checkpoint' : `no checkpoint of iteration ${String(request.to)}`;
    log.error(`${reason}: ${shown} has ${wanted} to roll back to; stopping`);
    control.requestStop(`${reason}; there is ${wanted} to roll back to`, 1);
    control.requestCheckpoint('emergency');
    return;
  }
  const from = targets.state.iteration;
  rollBackTo(ofRank(found, ranks), request, targets);
  control.forget(request);
  const to = found.state.run.iteration;
  const way = `from iteration ${String(from)} to checkpoint ${path.basename(found.path)}`;
  if (what === 'run') log.warn(`${reason}: rolling back the run ${way}`);
  else log.info(`${reason}: rolling back the model and the optimizer ${way}`);
  await bus.dispatch('run:rollback', { what, from, to, path: found.path, reason, state: targets.state });
}

/** The first rank, which writes checkpoints, chooses one; the others read it once it is complete. */
async function agreedTarget(
  { to }: RollbackRequest,
  { ranks, store }: RollbackParts,
): Promise<LoadedCheckpoint | undefined> {
  const own = ranks.rank === 0 ? await store?.target(to) : undefined;
  const iteration = await fromFirstRank(ranks, own?.state.run.iteration ?? NONE);
  if (iteration === NONE || ranks.rank === 0) return own;
  return store?.target(iteration);
}
