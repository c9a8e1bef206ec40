import { setImmediate as nextTurn } from 'node:timers/promises';
import type { CoreConfig } from '../config/schema.js';
import type { BatchSource } from '../contracts/data.js';
import type { Engine } from '../contracts/engine.js';
import type { IgnoredTargets } from '../contracts/models.js';
import type { Model } from '../contracts/model.js';
import type { LearningRate, Optimizer } from '../contracts/optimizer.js';
import type { EarlyGradients, Ranks } from '../contracts/ranks.js';
import type { EventBus } from '../events/bus.js';
import type { GradientsReady, IterationEnd, StepReady } from '../events/lifecycle.js';
import type { Slot } from '../plugins/plugin.js';
import { globalNorm, tf, useEngine } from '../tf.js';
import { checkBatch, countedTargets, nextOfRank, rowsOfRank } from './batches.js';
import type { Sections } from './sections.js';
import { microBatchStep, scaleSums, trainableParameters, type PassReplay } from './step.js';
import type { RunState } from './state.js';
import type { Tunables } from './tunables.js';
import { EspalierError } from '../errors.js';

/** What an iteration works with, from the run's container. */
export interface IterationParts {
  readonly state: RunState;
  readonly config: CoreConfig['train'];
  readonly bus: EventBus;
  readonly engine: Engine;
  readonly model: Model;
  readonly optimizer: Optimizer;
  readonly learningRate: LearningRate;
  readonly tunables: Tunables;
  readonly batches: BatchSource;
  readonly ranks: Ranks;
  readonly early: EarlyGradients | undefined;
  readonly sections: Sections;
  /** Name of the plugin that fills a slot, for errors. */
  readonly pluginIn: (slot: Slot) => string;
}

/** Lives as long as the loop. */
export interface IterationTools {
  readonly passes: PassReplay;
  readonly ignored: IgnoredTargets;
}

/** What the micro-batches of an iteration gave, besides gradients. */
interface PassedBatches {
  /** Mean over the counted targets of all micro-batches of this rank, over the share of them among all ranks. */
  readonly loss: number;
  /** Input tokens, of all ranks. */
  readonly tokens: number;
  /** Counted targets, of all ranks. */
  readonly targets: number;
}

/**
 * One iteration: batches, gradients, step.
 * @returns its loss, as `iteration:end` has it
 */
export async function iterate(parts: IterationParts, tools: IterationTools): Promise<number> {
  const { config, bus, state, optimizer, pluginIn } = parts;
  const { iteration } = state;
  const learningRate = parts.learningRate.at(iteration, optimizer.learningRate);
  checkRate(learningRate, { iteration, base: optimizer.learningRate, plugin: pluginIn('lr') });
  await bus.dispatch('iteration:start', { iteration, learningRate });

  const ready: GradientsReady = { iteration, gradients: new Map() };
  try {
    const { loss: ownLoss, tokens, targets } = await passBatches(parts, tools, ready);
    if (targets === 0) tools.ignored.skipped(iteration + 1);
    const { loss, gradNorm, skipped } = targets === 0 ? NO_STEP : await takeStep(parts, ready, learningRate, ownLoss);

    state.iteration = iteration + 1;
    state.tokens += tokens;
    state.valLoss = null;
    const counts = { maxIters: config.max_iters, targets, tokens: state.tokens };
    await bus.dispatch('iteration:end', { iteration, ...counts, loss, gradNorm, learningRate, skipped });
    return loss;
  } finally {
    for (const gradient of ready.gradients.values()) gradient.dispose();
  }
}

const NO_STEP = { loss: NaN, gradNorm: 0, skipped: 'every target is -1 (ignored)' };

/** @param ownLoss this rank's; that of all ranks is what it returns */
async function takeStep(
  parts: IterationParts,
  ready: GradientsReady,
  learningRate: number,
  ownLoss: number,
): Promise<Pick<IterationEnd, 'loss' | 'gradNorm' | 'skipped'>> {
  const { config, bus, engine, model, optimizer, ranks, sections } = parts;
  await bus.dispatch('gradients:ready', ready);
  useEngine(engine);
  const { iteration, gradients } = ready;
  const parameters = trainableParameters(model);
  checkGradients(gradients, parameters, () => bus.order('gradients:ready'));
  // The gradients are scaled where they are used: what clipping costs is their norm.
  const gradNorm = sections.measure('clipping', () => globalNorm([...gradients.values()]));
  const [loss = ownLoss] = await ranks.average([ownLoss]);
  const step: StepReady = { iteration, loss, gradNorm, gradients };
  await bus.dispatch('step:ready', step);
  if (step.skip === undefined) {
    useEngine(engine);
    const { grad_clip: gradClip } = config;
    sections.measure('optimizer', () => optimizer.step({ parameters, gradients, learningRate, gradClip, gradNorm }));
  }
  return { loss, gradNorm, skipped: step.skip };
}

/**
 * Forward and backward of an iteration's micro-batches. A micro-batch's mean gradient has the share that its counted
 * targets are of those of all micro-batches and ranks, times the number of ranks: the mean over ranks is the gradient.
 * Without ignored targets that is 1 / micro-batches, to the last bit.
 */
async function passBatches(
  parts: IterationParts,
  { passes, ignored }: IterationTools,
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

function batchGivers({ bus, pluginIn }: IterationParts): string {
  const changers = bus.order('batch:ready');
  const after = changers.length > 0 ? ` (then batch:ready: ${changers.join(', ')})` : '';
  return `the batch that plugin ${pluginIn('batches')} gave${after}`;
}

/** @throws EspalierError naming the plugin, where a schedule gave what no step can be made with */
function checkRate(rate: number, at: { iteration: number; base: number; plugin: string }): void {
  if (Number.isFinite(rate)) return;
  throw new EspalierError(
    'ESP_LEARNING_RATE',
    `plugin ${at.plugin} gave the learning rate ${String(rate)} for iteration ${String(at.iteration)} (base ${String(at.base)}): at(iteration, base) must return a finite number`,
  );
}

/**
 * Listeners of `gradients:ready` may replace gradients.
 * @param listeners names of the plugins that do
 * @throws EspalierError naming the weight, where they left none that fits it
 */
function checkGradients(
  gradients: ReadonlyMap<string, tf.Tensor>,
  parameters: ReadonlyMap<string, tf.Variable>,
  listeners: () => readonly string[],
): void {
  const refuse = (what: string): never => {
    throw new EspalierError(
      'ESP_GRADIENTS',
      `after gradients:ready ${what}; a listener may replace an entry of gradients with a tensor of the same shape, and nothing else. Plugins that listen: ${listeners().join(', ') || 'none'}`,
    );
  };
  for (const [name, { shape }] of parameters) {
    const gradient = gradients.get(name);
    if (gradient === undefined) return refuse(`there is no gradient of ${name}`);
    if (gradient.isDisposed) return refuse(`the gradient of ${name} is disposed`);
    if (gradient.shape.length !== shape.length || gradient.shape.some((length, axis) => length !== shape[axis])) {
      return refuse(`the gradient of ${name} is [${String(gradient.shape)}], and the weight [${String(shape)}]`);
    }
  }
  if (gradients.size === parameters.size) return;
  const extra = [...gradients.keys()].find((name) => !parameters.has(name));
  refuse(`there is a gradient of ${JSON.stringify(extra)}, which no weight that is trained is called`);
}
