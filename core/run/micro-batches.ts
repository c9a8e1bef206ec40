import { setImmediate as nextTurn } from 'node:timers/promises';
import type { CoreConfig } from '../config/schema.js';
import type { BatchSource } from '../contracts/data.js';
import type { Engine } from '../contracts/engine.js';
import type { TrainingLoss } from '../contracts/models.js';
import type { Model } from '../contracts/model.js';
import type { EarlyGradients, Ranks } from '../contracts/ranks.js';
import type { EventBus } from '../events/bus.js';
import type { BatchReady, GradientsReady } from '../events/lifecycle.js';
import type { Slot } from '../plugins/plugin.js';
import { type tf, useEngine } from '../tf.js';
import { shareOfRank } from './batches.js';
import type { PassReplay } from './pass-replay.js';
import type { Sections } from './sections.js';
import { microBatchStep, scaleSums, type StepLosses, type UnreadLosses } from './step.js';
import type { Tunables } from './tunables.js';

/** What micro-batches need from the run's container. */
export interface MicroBatchParts {
  readonly config: CoreConfig['train'];
  readonly bus: EventBus;
  readonly engine: Engine;
  readonly model: Model;
  readonly trainingLoss: TrainingLoss;
  readonly tunables: Tunables;
  readonly batches: BatchSource;
  readonly ranks: Ranks;
  readonly early: EarlyGradients | undefined;
  readonly sections: Sections;
  /** Returns the plugin that fills a slot, for errors. */
  readonly pluginIn: (slot: Slot) => string;
}

/** The results of an iteration's micro-batches, besides gradients. */
export interface PassedBatches {
  /**
   * Waits for the engine, unless a listener has. Returns this rank's summed loss over the mean number of counted targets
   * per rank, whose mean over ranks is the loss, and then the same for each loss term.
   */
  readonly readLosses: () => readonly number[];
  /** Losses of micro-batches with counted targets that nobody has read. */
  readonly unread: readonly tf.Tensor[];
  /** Whether the losses that have been read are finite. */
  readonly isFinite: boolean;
  /** Computes the gradients once more, into the map of the iteration, which is empty. */
  readonly again: () => void;
  /** Names of the loss terms. */
  readonly terms: readonly string[];
  /** Number of input tokens, of all ranks. */
  readonly tokens: number;
  /** Number of counted targets, of all ranks. */
  readonly targets: number;
}

/**
 * Runs forward and backward passes of an iteration's micro-batches. Each micro-batch's mean gradient is scaled by its
 * share of the counted targets' weight (1 per target by default) over all micro-batches and ranks, times the number of
 * ranks, so that the mean over ranks is the gradient. Without ignored targets and weights the factor is 1 /
 * micro-batches, to the last bit.
 */
export async function passBatches(
  parts: MicroBatchParts,
  passes: PassReplay,
  { iteration, gradients }: GradientsReady,
): Promise<PassedBatches> {
  const { config, bus, engine, model, trainingLoss, tunables, batches, ranks, early, sections } = parts;
  const { batchSize, accumulation } = microBatches(config, tunables);
  const share = shareOfRank(ranks, { batchSize, blockSize: model.blockSize });
  const whole = batchSize * model.blockSize;
  const inParts = trainingLoss.inParts();
  const sums = [0, ...inParts.terms.map(() => 0)];
  const unread: { readonly losses: UnreadLosses; readonly weight: number }[] = [];
  const computed: (() => UnreadLosses)[] = [];
  const add = ({ loss, terms }: StepLosses, ofBatch: number): void => {
    // Without counted targets the losses may be NaN.
    if (ofBatch === 0) return;
    for (const [at, value] of [loss, ...terms].entries())
      sums[at] = (sums[at] ?? 0) + (value * ofBatch) / whole / accumulation;
  };
  let tokens = 0;
  let counted = 0;
  let [targets, allTargets] = [0, 0];
  /** Weight of all ranks' counted targets, relative to all targets; known before the last micro-batch's pass. */
  let weight = 1;
  for (let microBatch = 0; microBatch < accumulation; microBatch++) {
    const batch = await sections.measure('data_loading', async () =>
      share.take(await batches.next(share.whole, share.rows)),
    );
    const drawn: BatchReady = { iteration, microBatch, batch };
    await bus.dispatch('batch:ready', drawn);
    const own = trainingLoss.count(model, drawn.batch, () => batchGivers(parts));
    counted += own.weight;
    targets += own.targets;
    const isLast = microBatch === accumulation - 1;
    if (isLast) {
      const [ofRank = counted, meanTargets = targets] = await ranks.average([counted, targets]);
      weight = ofRank / (whole * accumulation);
      allTargets = Math.round(meanTargets * ranks.size);
    }
    let losses: StepLosses | undefined;
    if (weight > 0) {
      useEngine(engine);
      trainingLoss.look(model, drawn.batch, own.targets);
      const factor = weight;
      const isInParts = inParts.terms.length > 0 || drawn.batch.weights !== undefined || drawn.tokenLosses === true;
      const options = {
        pass: { iteration, microBatch, firstRow: share.rows.first },
        sections,
        early: early?.wanted === true && isLast ? early : undefined,
        inParts: isInParts ? inParts : undefined,
      };
      const compute = (): UnreadLosses => {
        if (factor !== 1) scaleSums(gradients, 1 / factor);
        const ofMean = own.weight / whole / factor / accumulation;
        return microBatchStep(passes, drawn.batch, ofMean, gradients, options);
      };
      computed.push(compute);
      const made = compute();
      if (bus.isNeeded('micro-batch:end')) add((losses = made.read()), own.weight);
      else unread.push({ losses: made, weight: own.weight });
    }
    tokens += ranks.size * drawn.batch.inputs.length;
    await bus.dispatch('micro-batch:end', {
      iteration,
      microBatch,
      batch: drawn.batch,
      loss: own.weight > 0 ? (losses?.loss ?? NaN) : NaN,
      tokenLosses: drawn.tokenLosses === true ? losses?.tokenLosses : undefined,
    });
    // Lets a second signal end the process now, not only after all micro-batches.
    if (!isLast) await nextTurn();
  }
  const readLosses = (): number[] => {
    for (const { losses, weight: ofBatch } of unread.splice(0)) add(losses.read(), ofBatch);
    return sums.map((sum) => sum / weight);
  };
  const again = (): void => {
    for (const compute of computed) compute().read();
  };
  const counts = unread.filter(({ weight: ofBatch }) => ofBatch > 0).map(({ losses }) => losses.loss);
  const isFinite = sums.every(Number.isFinite);
  return { readLosses, unread: counts, isFinite, again, terms: inParts.terms, tokens, targets: allTargets };
}

/**
 * Returns the current windows per micro-batch of this rank and micro-batches per iteration, which schedules may change.
 */
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

function batchGivers({ bus, pluginIn }: Pick<MicroBatchParts, 'bus' | 'pluginIn'>): string {
  const changers = bus.order('batch:ready');
  const after = changers.length > 0 ? ` (then batch:ready: ${changers.join(', ')})` : '';
  return `the batch that plugin ${pluginIn('batches')} gave${after}`;
}
