import path from 'node:path';
import { checkpointNames, isEmergency, iterationOf } from '../checkpoint/find.js';
import { readCheckpoint } from '../checkpoint/read.js';
import type { CheckpointStore, LoadedCheckpoint, StoredTensor } from '../contracts/checkpoint-store.js';
import { messageOf } from '../errors.js';
import { fromFirstRank, type Ranks } from '../contracts/ranks.js';
import type { EventBus } from '../events/bus.js';
import type { Logger } from '../logger.js';
import type { RollbackRequest, RunControl } from './control.js';
import type { RunFolder } from './folder.js';
import { ofRank, rollBackTo, type RestoreTargets } from './restore.js';

export interface RollbackParts {
  readonly bus: EventBus;
  readonly control: RunControl;
  readonly folder: RunFolder;
  readonly log: Logger;
  readonly ranks: Ranks;
  /** Undefined where no plugin writes checkpoints. */
  readonly store: CheckpointStore | undefined;
  readonly targets: RestoreTargets;
}

/** No iteration. */
const NONE = -1;

/**
 * Serves a request to go back, and tells of it with `run:rollback`. Where there is nothing to go back to, the run
 * stops, with an emergency checkpoint.
 */
export async function rollBack(request: RollbackRequest, parts: RollbackParts): Promise<void> {
  const { bus, control, folder, log, ranks, store, targets } = parts;
  const { what, reason } = request;
  const { state } = targets;
  await store?.written();
  const found = await agreedTarget(request, parts);
  if (found === undefined) {
    const wanted = request.to === 'latest' ? 'no checkpoint' : `no checkpoint of iteration ${String(request.to)}`;
    log.error(`${reason}: there is ${wanted} to go back to in ${folder.shown}; stopping`);
    control.requestStop(`${reason}; there is ${wanted} to go back to`, 1);
    control.requestCheckpoint('emergency');
    return;
  }
  const from = state.iteration;
  rollBackTo(ofRank(found, ranks), request, targets);
  control.forget(request);
  const to = found.state.run.iteration;
  const way = `from iteration ${String(from)} to checkpoint ${path.basename(found.path)}`;
  if (what === 'run') log.warn(`${reason}: the run goes back ${way}`);
  else log.info(`${reason}: the model and the optimizer go back ${way}`);
  await bus.dispatch('run:rollback', { what, from, to, path: found.path, reason, state });
}

/** The first rank, which writes checkpoints, decides: the others read what it found, when it is whole. */
async function agreedTarget(request: RollbackRequest, parts: RollbackParts): Promise<LoadedCheckpoint | undefined> {
  const { ranks } = parts;
  const own = ranks.rank === 0 ? await findOwnTarget(request, parts) : undefined;
  const iteration = await fromFirstRank(ranks, own?.state.run.iteration ?? NONE);
  if (iteration === NONE || ranks.rank === 0) return own;
  return findTarget({ ...request, to: iteration }, parts);
}

/** The target, or what stands in for one that was asked for and could not be written. */
async function findOwnTarget(request: RollbackRequest, parts: RollbackParts): Promise<LoadedCheckpoint | undefined> {
  const found = await findTarget(request, parts);
  if (found !== undefined || request.to === 'latest') return found;
  const to = parts.store?.standInFor(request.to);
  if (to === undefined) return undefined;
  parts.log.warn(
    `the checkpoint of iteration ${String(request.to)} could not be written: that of iteration ${String(to)} is taken in its place`,
  );
  return findTarget({ ...request, to }, parts);
}

/**
 * The newest that is whole and finite, of those that the request allows; each that is passed over is told of. At one
 * iteration an emergency save comes after, which a run without the stop would not have.
 */
async function findTarget(
  { to }: RollbackRequest,
  { folder: { checkpoints }, log, store }: RollbackParts,
): Promise<LoadedCheckpoint | undefined> {
  // Before the first on schedule, what a stop left is none to go back to: a run without the stop has none either.
  const last = to === 'latest' ? (store?.scheduled ?? NONE) : to;
  const names = await (store?.names?.() ?? checkpointNames(checkpoints));
  names.sort((a, b) => iterationOf(b) - iterationOf(a) || Number(isEmergency(a)) - Number(isEmergency(b)));
  for (const name of names) {
    const iteration = iterationOf(name);
    if (iteration > last || (to !== 'latest' && iteration !== to)) continue;
    try {
      const found = await (store?.read?.(name) ?? readCheckpoint(path.join(checkpoints, name)));
      const bad = notFinite(found.weights) ?? notFinite(found.optimizer.tensors);
      if (bad === undefined) return found;
      log.warn(`checkpoint ${name} is passed over: its ${bad} is not finite`);
    } catch (thrown) {
      log.warn(`${messageOf(thrown)} (passed over, and kept)`);
    }
  }
  return undefined;
}

function notFinite(tensors: ReadonlyMap<string, StoredTensor>): string | undefined {
  return [...tensors].find(([, { values }]) => !values.every((value) => Number.isFinite(value)))?.[0];
}
