import { setImmediate as nextTurn } from 'node:timers/promises';
import type { CoreConfig } from '../config/schema.js';
import type { BatchSource } from '../contracts/data.js';
import type { EarlyGradients } from '../contracts/early-gradients.js';
import type { Engine } from '../contracts/engine.js';
import type { Model } from '../contracts/model.js';
import type { Ranks } from '../contracts/ranks.js';
import { nextOfRank, rowsOfRank } from './rank-rows.js';
import type { EventBus } from '../events/bus.js';
import type { GradientsReady } from '../events/lifecycle.js';
import type { Slot } from '../plugins/plugin.js';
import { checkBatch } from './checks.js';
import { countedTargets, type IgnoredTargets } from './ignored-targets.js';
import type { RepeatedPasses } from './repeated-passes.js';
import type { Sections } from './sections.js';
import { microBatchStep, scaleSums } from './step.js';
import type { Tunables } from './tunables.js';
import { useEngine } from './use-engine.js';

/** What the passes of an iteration work with, from the run's container. */
export interface PassParts {
  readonly config: CoreConfig['train'];
  readonly bus: EventBus;
  readonly engine: Engine;
  readonly model: Model;
  readonly tunables: Tunables;
  readonly batches: BatchSource;
  readonly ranks: Ranks;
  readonly early: EarlyGradients | undefined;
  readonly sections: Sections;
  /** Name of the plugin that fills a slot, for errors. */
  readonly pluginIn: (slot: Slot) => string;
}

/** Lives as long as the loop. */
export interface PassTools {
  readonly passes: RepeatedPasses;
  readonly ignored: IgnoredTargets;
}

/** What the micro-batches of an iteration gave, beside gradients. */
export interface PassedBatches {
  /** Mean over the counted targets of all micro-batches of this rank, over the share of them among all ranks. */
  readonly loss: number;
  /** Input tokens, of all ranks. */
  readonly tokens: number;
  /** Counted targets, of all ranks. */
  readonly targets: number;
}

/**
 * Forward and backward of an iteration's micro-batches. A micro-batch's mean gradient has the share that its counted
 * targets are of those of all micro-batches and ranks, times the number of ranks: the mean over ranks is the gradient.
 * Without ignored targets that is 1 / micro-batches, to the last bit.
 */
export async function passBatches(
  parts: PassParts,
  { passes, ignored }: PassTools,
  { iteration, gradients }: GradientsReady,
): Promise<PassedBatches> {
  const { config, bus, engine, model, tunables, batches, ranks, early, sections } = parts;
  const { batchSize, accumulation } = microBatches(config, tunables);
  const shape = { batchSize, blockSize: model.blockSize };
  const whole = batchSize * model.blockSize;
  let loss = 0;
  let tokens = 0;
  let counted = 0;
  /** Counted targets of all ranks, over what they are where none is ignored: known before the last micro-batch's pass. */
  let weight = 1;
  for (let microBatch = 0; microBatch < accumulation; microBatch++) {
    const batch = await sections.measure('data_loading', () => nextOfRank(batches, ranks, shape));
    const drawn = { iteration, microBatch, batch };
    await bus.dispatch('batch:ready', drawn);
    checkBatch(drawn.batch, model, () => batchGivers(parts));
    const own = countedTargets(drawn.batch);
    counted += own;
    const isLast = microBatch === accumulation - 1;
    if (isLast) {
      const [ofRank = counted] = await ranks.average([counted]);
      weight = ofRank / (whole * accumulation);
    }
    if (weight > 0) {
      useEngine(engine);
      ignored.look(drawn.batch, own);
      if (weight !== 1) scaleSums(gradients, 1 / weight);
      const pass = { iteration, microBatch, firstRow: rowsOfRank(ranks, shape).first };
      const microLoss = microBatchStep(passes, drawn.batch, own / whole / weight / accumulation, gradients, {
        pass,
        sections,
        early: early?.wanted === true && isLast ? early : undefined,
      });
      // Without targets it may be NaN.
      if (own > 0) loss += ((microLoss.dataSync()[0] ?? NaN) * own) / whole / accumulation;
      microLoss.dispose();
    }
    tokens += ranks.size * drawn.batch.inputs.length;
    await bus.dispatch('micro-batch:end', { iteration, microBatch });
    // A second signal ends the process now, and not after all micro-batches.
    if (!isLast) await nextTurn();
  }
  const targets = Math.round(weight * whole * accumulation * ranks.size);
  return { loss: loss / weight, tokens, targets };
}

function batchGivers({ bus, pluginIn }: PassParts): string {
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
