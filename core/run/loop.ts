import { setImmediate as nextTurn } from 'node:timers/promises';
import type { BatchSource } from '../contracts/data.js';
import type { CheckpointKind, Snapshot } from '../contracts/checkpoint-store.js';
import type { EarlyGradients } from '../contracts/early-gradients.js';
import type { Engine } from '../contracts/engine.js';
import type { LearningRate } from '../contracts/learning-rate.js';
import type { Model } from '../contracts/model.js';
import type { Optimizer } from '../contracts/optimizer.js';
import type { Ranks } from '../contracts/ranks.js';
import { nextOfRank, rowsOfRank } from '../data/rank-rows.js';
import type { CoreConfig } from '../config/schema.js';
import type { EventBus } from '../events/bus.js';
import type { GradientsReady, StepReady } from '../events/payloads.js';
import { globalNorm } from '../ops/index.js';
import type { Slot } from '../plugins/plugin.js';
import { checkBatch, checkGradients, checkRate } from './checks.js';
import type { RollbackRequest, RunControl } from './control.js';
import type { Sections } from './sections.js';
import { useEngine } from './use-engine.js';
import { trainableParameters } from './parameters.js';
import { RepeatedPasses } from './repeated-passes.js';
import { microBatchStep } from './step.js';
import type { RunState } from './state.js';
import type { Tunables } from './tunables.js';

/** Everything the loop works with, from the run's container. */
export interface LoopParts {
  readonly config: CoreConfig['train'];
  readonly bus: EventBus;
  readonly control: RunControl;
  readonly state: RunState;
  readonly engine: Engine;
  readonly model: Model;
  readonly optimizer: Optimizer;
  readonly tunables: Tunables;
  readonly learningRate: LearningRate;
  readonly batches: BatchSource;
  readonly ranks: Ranks;
  readonly early: EarlyGradients | undefined;
  readonly sections: Sections;
  /** Name of the plugin that fills a slot, for errors. */
  readonly pluginIn: (slot: Slot) => string;
  /** Collects weights, optimizer and every plugin's state at this moment. */
  readonly snapshot: () => Snapshot;
  /** Goes back to a checkpoint. */
  readonly rollBack: (request: RollbackRequest) => Promise<void>;
}

/** Trains until `max_iters` or until a plugin asks to stop; see `core/events/lifecycle.ts` for the events. */
export async function trainLoop(parts: LoopParts): Promise<void> {
  const { config, control, state } = parts;
  askForOwed(parts);
  await boundary(parts);
  const passes = new RepeatedPasses(parts.engine, parts.model);
  const unfinished = (): boolean => state.iteration < config.max_iters && !control.stopping;
  do {
    while (unfinished()) {
      await iterate(parts, passes);
      await boundary(parts);
    }
    await boundary(parts);
    // A rollback at the last boundary leaves iterations to do.
  } while (unfinished());
}

async function iterate(parts: LoopParts, passes: RepeatedPasses): Promise<void> {
  const { config, bus, state, engine, model, optimizer, tunables, learningRate, batches, ranks, early, sections } =
    parts;
  const iteration = state.iteration;
  const base = optimizer.learningRate;
  const rate = learningRate.at(iteration, base);
  checkRate(rate, { iteration, base, plugin: parts.pluginIn('lr') });
  await bus.dispatch('iteration:start', { iteration, learningRate: rate });

  const { batchSize, accumulation } = microBatches(config, tunables);
  const shape = { batchSize, blockSize: model.blockSize };
  const ready: GradientsReady = { iteration, gradients: new Map() };
  try {
    let loss = 0;
    let tokens = 0;
    for (let microBatch = 0; microBatch < accumulation; microBatch++) {
      const batch = await sections.measure('data_loading', () => nextOfRank(batches, ranks, shape));
      const drawn = { iteration, microBatch, batch };
      await bus.dispatch('batch:ready', drawn);
      checkBatch(drawn.batch, model, () => batchGivers(parts));
      useEngine(engine);
      const pass = { iteration, microBatch, firstRow: rowsOfRank(ranks, shape).first };
      const microLoss = microBatchStep(passes, drawn.batch, accumulation, ready.gradients, {
        pass,
        sections,
        early: early?.wanted === true && microBatch === accumulation - 1 ? early : undefined,
      });
      loss += (microLoss.dataSync()[0] ?? NaN) / accumulation;
      microLoss.dispose();
      tokens += ranks.size * drawn.batch.inputs.length;
      await bus.dispatch('micro-batch:end', { iteration, microBatch });
      // A second signal ends the process now, and not after all micro-batches.
      if (microBatch + 1 < accumulation) await nextTurn();
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
    state.iteration = iteration + 1;
    state.valLoss = null;
    state.tokens += tokens;
    await bus.dispatch('iteration:end', {
      iteration,
      maxIters: config.max_iters,
      loss: lossOfAll,
      gradNorm,
      learningRate: rate,
      tokens: state.tokens,
      skipped: step.skip,
    });
  } finally {
    for (const gradient of ready.gradients.values()) gradient.dispose();
  }
}

function batchGivers({ bus, pluginIn }: LoopParts): string {
  const changers = bus.order('batch:ready');
  const after = changers.length > 0 ? ` (then batch:ready: ${changers.join(', ')})` : '';
  return `the batch that plugin ${pluginIn('batches')} gave${after}`;
}

/** Windows in a micro-batch of this rank, and micro-batches in an iteration, as they are now. */
export function microBatches(
  config: CoreConfig['train'],
  tunables: Tunables,
): { readonly batchSize: number; readonly accumulation: number } {
  const values = tunables.values();
  return {
    batchSize: values.get('batch_size') ?? config.batch_size,
    accumulation: values.get('gradient_accumulation_steps') ?? config.gradient_accumulation_steps,
  };
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
  await sections.measure('checkpoint', () => bus.dispatch('checkpoint:due', { kinds, snapshot: snapshot() }));
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
    if (rollback === undefined) return;
    await rollBack(rollback);
    askForOwed({ control, state });
  }
}

/** What the checkpoint that the run goes on from owes is asked for again. */
function askForOwed({ control, state }: Pick<LoopParts, 'control' | 'state'>): void {
  for (const kind of state.owesCheckpoints) control.requestCheckpoint(kind);
  state.owesCheckpoints = [];
}
