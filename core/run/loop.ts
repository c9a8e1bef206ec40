import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Snapshot } from '../contracts/checkpoint-store.js';
import type { LearningRate } from '../contracts/learning-rate.js';
import type { Optimizer } from '../contracts/optimizer.js';
import type { GradientsReady, StepReady } from '../events/lifecycle.js';
import { globalNorm } from './kernels.js';
import { checkGradients, checkRate } from './checks.js';
import type { RollbackRequest, RunControl } from './control.js';
import { IgnoredTargets } from './ignored-targets.js';
import { passBatches, type PassParts, type PassTools } from './pass-batches.js';
import { useEngine } from './use-engine.js';
import { trainableParameters } from './parameters.js';
import { RepeatedPasses } from './repeated-passes.js';
import type { CheckpointKind, RunState } from './state.js';

/** Everything the loop works with, from the run's container. */
export interface LoopParts extends PassParts {
  readonly control: RunControl;
  readonly state: RunState;
  readonly optimizer: Optimizer;
  readonly learningRate: LearningRate;
  /** Collects weights, optimizer and every plugin's state at this moment, for checkpoints of these kinds. */
  readonly snapshot: (kinds: readonly CheckpointKind[]) => Promise<Snapshot>;
  /** Goes back to a checkpoint. */
  readonly rollBack: (request: RollbackRequest) => Promise<void>;
  readonly warn: (line: string) => void;
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
  const tools: PassTools = {
    passes: new RepeatedPasses(parts.engine, parts.model),
    ignored: new IgnoredTargets({
      model: parts.model,
      plugin: () => parts.pluginIn('model'),
      warn: parts.warn,
    }),
  };
  const unfinished = (): boolean => state.iteration < config.max_iters && state.ending === null && !control.stopping;
  do {
    while (unfinished()) {
      loss = await iterate(parts, tools);
      await boundary(parts);
    }
    await boundary(parts);
    // A rollback at the last boundary leaves iterations to do.
  } while (unfinished());
  return loss;
}

/** @returns the loss of the iteration, as `iteration:end` has it */
async function iterate(parts: LoopParts, tools: PassTools): Promise<number> {
  const { config, bus, state, engine, model, optimizer, learningRate, ranks, sections } = parts;
  const iteration = state.iteration;
  const base = optimizer.learningRate;
  const rate = learningRate.at(iteration, base);
  checkRate(rate, { iteration, base, plugin: parts.pluginIn('lr') });
  await bus.dispatch('iteration:start', { iteration, learningRate: rate });

  let lastLoss = NaN;
  const ready: GradientsReady = { iteration, gradients: new Map() };
  try {
    const { loss, tokens, targets } = await passBatches(parts, tools, ready);
    const end = async (lossOfAll: number, gradNorm: number, skipped: string | undefined): Promise<void> => {
      state.iteration = iteration + 1;
      state.valLoss = null;
      lastLoss = lossOfAll;
      state.tokens += tokens;
      await bus.dispatch('iteration:end', {
        iteration,
        maxIters: config.max_iters,
        loss: lossOfAll,
        targets,
        gradNorm,
        learningRate: rate,
        tokens: state.tokens,
        skipped,
      });
    };
    if (targets === 0) {
      tools.ignored.skipped(iteration + 1);
      await end(NaN, 0, 'every target is -1 (ignored)');
      return lastLoss;
    }
    await bus.dispatch('gradients:ready', ready);

    useEngine(engine);
    const { gradients } = ready;
    const parameters = trainableParameters(model);
    checkGradients(gradients, parameters, () => bus.order('gradients:ready'));
    // The gradients are scaled where they are used: what clipping costs is their norm.
    const gradNorm = sections.measure('clipping', () => globalNorm([...gradients.values()]));
    const [lossOfAll = loss] = await ranks.average([loss]);
    const step: StepReady = { iteration, loss: lossOfAll, gradNorm, gradients };
    await bus.dispatch('step:ready', step);
    if (step.skip === undefined) {
      useEngine(engine);
      sections.measure('optimizer', () =>
        optimizer.step({ parameters, gradients, learningRate: rate, gradClip: config.grad_clip, gradNorm }),
      );
    }
    await end(lossOfAll, gradNorm, step.skip);
    return lastLoss;
  } finally {
    for (const gradient of ready.gradients.values()) gradient.dispose();
  }
}

/**
 * Between iterations: lets signals in, then serves what plugins asked for, evaluation before checkpoint. A run that is
 * stopped leaves the evaluation to the one that goes on from it, which makes it whole, and takes the checkpoint after it.
 */
async function boundary(parts: LoopParts): Promise<void> {
  const { bus, control, state, snapshot, sections } = parts;
  await nextTurn();
  await settle(parts);
  if (control.takeEvaluation()) state.owesEvaluation = true;
  // An evaluation can lead to another: of a model that has grown since.
  while (state.owesEvaluation && !control.stopping) {
    state.owesEvaluation = false;
    await sections.measure('evaluation', () => bus.dispatch('evaluation:due', { iteration: state.iteration }));
    await settle(parts);
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
  await settle(parts);
}

/**
 * What was asked for so far is what will be served: `requests:ready` lets several ranks agree on it. Rollbacks are
 * served at once: what is measured or written next is of the weights that the run goes on with.
 */
async function settle({ bus, control, state, engine, rollBack }: LoopParts): Promise<void> {
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
