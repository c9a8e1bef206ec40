import { setImmediate as nextTurn } from 'node:timers/promises';
import type { BatchSource } from '../contracts/data.js';
import type { Snapshot } from '../contracts/checkpoint-store.js';
import type { Engine } from '../contracts/engine.js';
import type { LearningRate } from '../contracts/learning-rate.js';
import type { Model } from '../contracts/model.js';
import type { Optimizer } from '../contracts/optimizer.js';
import type { CoreConfig } from '../config/schema.js';
import type { EventBus } from '../events/bus.js';
import type { GradientsReady, StepReady } from '../events/lifecycle.js';
import { globalNorm } from '../ops/index.js';
import type { RollbackRequest, RunControl } from './control.js';
import { useEngine } from './use-engine.js';
import { trainableParameters } from './parameters.js';
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
  /** Collects weights, optimizer and every plugin's state at this moment. */
  readonly snapshot: () => Snapshot;
  /** Goes back to a checkpoint. */
  readonly rollBack: (request: RollbackRequest) => Promise<void>;
}

/** Trains until `max_iters` or until a plugin asks to stop; see `core/events/lifecycle.ts` for the events. */
export async function trainLoop(parts: LoopParts): Promise<void> {
  const { config, control, state } = parts;
  const unfinished = (): boolean => state.iteration < config.max_iters && control.stopReasons.length === 0;
  do {
    while (unfinished()) {
      await iterate(parts);
      await boundary(parts);
    }
    await boundary(parts);
    // A rollback at the last boundary leaves iterations to do.
  } while (unfinished());
}

async function iterate({
  config,
  bus,
  state,
  engine,
  model,
  optimizer,
  tunables,
  learningRate,
  batches,
}: LoopParts): Promise<void> {
  const iteration = state.iteration;
  const rate = learningRate.at(iteration, optimizer.learningRate);
  await bus.dispatch('iteration:start', { iteration, learningRate: rate });

  const values = tunables.values();
  const accumulation = values.get('gradient_accumulation_steps') ?? config.gradient_accumulation_steps;
  const shape = { batchSize: values.get('batch_size') ?? config.batch_size, blockSize: model.blockSize };
  const ready: GradientsReady = { iteration, gradients: new Map() };
  try {
    let loss = 0;
    let tokens = 0;
    for (let microBatch = 0; microBatch < accumulation; microBatch++) {
      const drawn = { iteration, microBatch, batch: await batches.next(shape) };
      await bus.dispatch('batch:ready', drawn);
      useEngine(engine);
      const microLoss = microBatchStep(model, drawn.batch, accumulation, ready.gradients, {
        iteration,
        microBatch,
      });
      loss += (microLoss.dataSync()[0] ?? NaN) / accumulation;
      microLoss.dispose();
      tokens += drawn.batch.inputs.length;
      await bus.dispatch('micro-batch:end', { iteration, microBatch });
    }
    await bus.dispatch('gradients:ready', ready);

    useEngine(engine);
    const { gradients } = ready;
    const gradNorm = globalNorm([...gradients.values()]);
    const step: StepReady = { iteration, loss, gradNorm, gradients };
    await bus.dispatch('step:ready', step);
    if (step.skip === undefined) {
      useEngine(engine);
      const parameters = trainableParameters(model);
      optimizer.step({ parameters, gradients, learningRate: rate, gradClip: config.grad_clip, gradNorm });
    }
    state.iteration = iteration + 1;
    state.tokens += tokens;
    await bus.dispatch('iteration:end', {
      iteration,
      maxIters: config.max_iters,
      loss,
      gradNorm,
      learningRate: rate,
      tokens: state.tokens,
      skipped: step.skip,
    });
  } finally {
    for (const gradient of ready.gradients.values()) gradient.dispose();
  }
}

/**
 * Between iterations: lets signals in, then serves what plugins asked for, evaluation before checkpoint. Rollbacks come
 * before each and after both: what is measured or written is of the weights that the run goes on with.
 */
async function boundary(parts: LoopParts): Promise<void> {
  const { bus, control, state, snapshot, engine } = parts;
  await nextTurn();
  useEngine(engine);
  await rollBack(parts);
  if (control.takeEvaluation()) await bus.dispatch('evaluation:due', { iteration: state.iteration });
  await rollBack(parts);
  const kinds = control.takeCheckpoints();
  if (kinds.length > 0) await bus.dispatch('checkpoint:due', { kinds, snapshot: snapshot() });
  await rollBack(parts);
}

async function rollBack({ control, rollBack: goBack, engine }: LoopParts): Promise<void> {
  for (let request = control.takeRollback(); request !== undefined; request = control.takeRollback()) {
    await goBack(request);
    useEngine(engine);
  }
}
