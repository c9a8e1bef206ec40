import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Tensor } from '@tensorflow/tfjs-core';
import type { BatchSource } from '../contracts/data.js';
import type { Snapshot } from '../contracts/checkpoint-store.js';
import type { Engine } from '../contracts/engine.js';
import type { LearningRate } from '../contracts/learning-rate.js';
import type { Model } from '../contracts/model.js';
import type { Optimizer } from '../contracts/optimizer.js';
import type { Ranks } from '../contracts/ranks.js';
import { nextOfRank, rowsOfRank } from '../data/rank-rows.js';
import type { CoreConfig } from '../config/schema.js';
import type { EventBus } from '../events/bus.js';
import type { RunControl } from './control.js';
import type { Sections } from './sections.js';
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
  readonly ranks: Ranks;
  readonly sections: Sections;
  /** Collects weights, optimizer and every plugin's state at this moment. */
  readonly snapshot: () => Snapshot;
}

/** Trains until `max_iters` or until a plugin asks to stop; see `core/events/lifecycle.ts` for the events. */
export async function trainLoop(parts: LoopParts): Promise<void> {
  const { config, control, state } = parts;
  await settle(parts);
  while (state.iteration < config.max_iters && !control.stopping) {
    await iterate(parts);
    await boundary(parts);
  }
  await boundary(parts);
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
  ranks,
  sections,
}: LoopParts): Promise<void> {
  const iteration = state.iteration;
  const rate = learningRate.at(iteration, optimizer.learningRate);
  await bus.dispatch('iteration:start', { iteration, learningRate: rate });

  const { batchSize, accumulation } = microBatches(config, tunables);
  const shape = { batchSize, blockSize: model.blockSize };
  const ready = { iteration, gradients: new Map<string, Tensor>() };
  try {
    let loss = 0;
    let tokens = 0;
    for (let microBatch = 0; microBatch < accumulation; microBatch++) {
      const batch = await sections.measure('data_loading', () => nextOfRank(batches, ranks, shape));
      const drawn = { iteration, microBatch, batch };
      await bus.dispatch('batch:ready', drawn);
      useEngine(engine);
      const pass = { iteration, microBatch, firstRow: rowsOfRank(ranks, shape).first };
      const microLoss = microBatchStep(model, drawn.batch, accumulation, ready.gradients, pass, sections);
      loss += (microLoss.dataSync()[0] ?? NaN) / accumulation;
      microLoss.dispose();
      tokens += ranks.size * drawn.batch.inputs.length;
      await bus.dispatch('micro-batch:end', { iteration, microBatch });
    }
    await bus.dispatch('gradients:ready', ready);

    useEngine(engine);
    const gradNorm = sections.measure('optimizer', () =>
      optimizer.step({
        parameters: trainableParameters(model),
        gradients: ready.gradients,
        learningRate: rate,
        gradClip: config.grad_clip,
      }),
    );
    const [lossOfAll = loss] = await ranks.average([loss]);
    state.iteration = iteration + 1;
    state.tokens += tokens;
    await bus.dispatch('iteration:end', {
      iteration,
      maxIters: config.max_iters,
      loss: lossOfAll,
      gradNorm,
      learningRate: rate,
      tokens: state.tokens,
    });
  } finally {
    for (const gradient of ready.gradients.values()) gradient.dispose();
  }
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

/** Between iterations: lets signals in, then serves what plugins asked for, evaluation before checkpoint. */
async function boundary(parts: LoopParts): Promise<void> {
  const { bus, control, state, snapshot, engine, sections } = parts;
  await nextTurn();
  await settle(parts);
  useEngine(engine);
  const { iteration } = state;
  if (control.takeEvaluation()) {
    await sections.measure('evaluation', () => bus.dispatch('evaluation:due', { iteration }));
    await settle(parts);
  }
  const kinds = control.takeCheckpoints();
  if (kinds.length === 0) return;
  await sections.measure('checkpoint', () => bus.dispatch('checkpoint:due', { kinds, snapshot: snapshot() }));
  await settle(parts);
}

/** What was asked for so far is what will be served: `requests:ready` lets several ranks agree on it. */
async function settle({ bus, control, state }: LoopParts): Promise<void> {
  const ready = { iteration: state.iteration, requests: control.takeRequests() };
  await bus.dispatch('requests:ready', ready);
  control.grant(ready.requests);
}
