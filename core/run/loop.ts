import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Snapshot } from '../contracts/checkpoint-store.js';
import { useEngine } from '../tf.js';
import type { RollbackRequest, RunControl } from './control.js';
import { iterate, type IterationParts } from './iteration.js';
import { PassReplay } from './pass-replay.js';
import type { CheckpointKind } from './state.js';

/** Everything the loop works with, from the run's container. */
export interface LoopParts extends IterationParts {
  readonly control: RunControl;
  /** Collects weights, optimizer and every plugin's state at this moment, for checkpoints of these kinds. */
  readonly snapshot: (kinds: readonly CheckpointKind[]) => Promise<Snapshot>;
  /** Goes back to a checkpoint. */
  readonly rollBack: (request: RollbackRequest) => Promise<void>;
}

/**
 * Trains until `max_iters` or until a plugin asks to stop; see `core/events/lifecycle.ts` for the events.
 * @returns training loss of the last iteration in nats; null without one
 */
export async function trainLoop(parts: LoopParts): Promise<number | null> {
  const { config, control, state } = parts;
  let loss: number | null = null;
  askForOwed(parts);
  await boundary(parts);
  const passes = new PassReplay(parts.engine, parts.model);
  const unfinished = (): boolean => state.iteration < config.max_iters && state.ending === null && !control.stopping;
  do {
    while (unfinished()) {
      loss = await iterate(parts, passes);
      await boundary(parts);
    }
    await boundary(parts);
    // A rollback at the last boundary leaves iterations to do.
  } while (unfinished());
  return loss;
}

/**
 * Between iterations: lets signals in, then serves what plugins asked for, evaluation before checkpoint. A run that is
 * stopped leaves the evaluation to the one that goes on from it, which makes it whole, and takes the checkpoint after it.
 */
async function boundary(parts: LoopParts): Promise<void> {
  const { bus, control, state, snapshot, sections } = parts;
  await nextTurn();
  await grantRequests(parts);
  if (control.takeEvaluation()) state.owesEvaluation = true;
  // An evaluation can lead to another: of a model that has grown since.
  while (state.owesEvaluation && !control.stopping) {
    state.owesEvaluation = false;
    await sections.measure('evaluation', () => bus.dispatch('evaluation:due', { iteration: state.iteration }));
    await grantRequests(parts);
    if (control.takeEvaluation()) state.owesEvaluation = true;
  }
  const asked = control.takeCheckpoints();
  if (asked.length === 0) return;
  // Together with what a boundary before left: a signal comes while the checkpoint of another stop is taken, too.
  if (state.owesEvaluation) {
    const owed = new Set([...state.owesCheckpoints, ...asked]);
    state.owesCheckpoints = [...owed].filter((kind) => kind !== 'emergency');
  }
  const isEmergency = state.owesEvaluation && asked.includes('emergency');
  const kinds: readonly CheckpointKind[] = isEmergency ? ['emergency'] : asked;
  await sections.measure('checkpoint', async () =>
    bus.dispatch('checkpoint:due', { kinds, snapshot: await snapshot(kinds) }),
  );
  await grantRequests(parts);
}

/**
 * What was asked for so far is what will be served: `requests:ready` lets several ranks agree on it. Rollbacks are
 * served at once: what is measured or written next is of the weights that the run goes on with.
 */
async function grantRequests({ bus, control, state, engine, rollBack }: LoopParts): Promise<void> {
  for (;;) {
    const ready = { iteration: state.iteration, requests: control.takeRequests() };
    await bus.dispatch('requests:ready', ready);
    control.grant(ready.requests);
    useEngine(engine);
    const rollback = control.takeRollback();
    if (rollback === undefined) {
      state.ending = control.ending ?? state.ending;
      return;
    }
    await rollBack(rollback);
    askForOwed({ control, state });
  }
}

/** What the checkpoint that the run goes on from owes is asked for again. */
function askForOwed({ control, state }: Pick<LoopParts, 'control' | 'state'>): void {
  for (const kind of state.owesCheckpoints) control.requestCheckpoint(kind);
  state.owesCheckpoints = [];
}
