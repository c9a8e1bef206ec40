import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Snapshot } from '../contracts/checkpoint-store.js';
import { useEngine } from '../tf.js';
import type { RollbackRequest, RunControl } from './control.js';
import { iterate, type IterationParts } from './iteration.js';
import { PassReplay } from './pass-replay.js';
import type { CheckpointKind } from './state.js';

/** What the loop needs from the run's container. */
export interface LoopParts extends IterationParts {
  readonly control: RunControl;
  /** Collects the current weights, optimizer state and every plugin's state, for checkpoints of these kinds. */
  readonly snapshot: (kinds: readonly CheckpointKind[]) => Promise<Snapshot>;
  /** Rolls back to a checkpoint. */
  readonly rollBack: (request: RollbackRequest) => Promise<void>;
}

/**
 * Trains until `max_iters` or until a plugin requests a stop; see `core/events/lifecycle.ts` for the events.
 * @returns training loss of the last iteration in nats; null if there was none
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
    // A rollback at the last boundary may leave iterations to run.
  } while (unfinished());
  return loss;
}

/**
 * Handles signals, then serves requests of plugins: evaluation before checkpoint. A stopping run leaves the evaluation,
 * and the checkpoint after it, to the run that resumes it, which evaluates completely.
 */
async function boundary(parts: LoopParts): Promise<void> {
  const { bus, control, state, snapshot, sections } = parts;
  await nextTurn();
  await grantRequests(parts);
  if (control.takeEvaluation()) state.owesEvaluation = true;
  // An evaluation may request another, for example of a model that has grown since.
  while (state.owesEvaluation && !control.stopping) {
    state.owesEvaluation = false;
    await sections.measure('evaluation', () => bus.dispatch('evaluation:due', { iteration: state.iteration }));
    await grantRequests(parts);
    if (control.takeEvaluation()) state.owesEvaluation = true;
  }
  const asked = control.takeCheckpoints();
  if (asked.length === 0) return;
  // Joined with what an earlier boundary left: a signal may arrive while another stop's checkpoint is taken.
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
 * Fixes which requests are served: in `requests:ready` several ranks agree on them. Rollbacks are served at once, so
 * that evaluations and checkpoints use the weights that training continues with.
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

/** Repeats the requests that were pending in the checkpoint that the run resumes from. */
function askForOwed({ control, state }: Pick<LoopParts, 'control' | 'state'>): void {
  for (const kind of state.owesCheckpoints) control.requestCheckpoint(kind);
  state.owesCheckpoints = [];
}
