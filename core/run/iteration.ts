import type { LearningRate, Optimizer } from '../contracts/optimizer.js';
import type { GradientsReady, IterationEnd, StepReady } from '../events/lifecycle.js';
import { EspalierError } from '../errors.js';
import { accumulateAll, globalNorm, tf, unreadNorm, useEngine } from '../tf.js';
import { passBatches, type MicroBatchParts, type PassedBatches } from './micro-batches.js';
import type { PassReplay } from './pass-replay.js';
import { trainableParameters } from './step.js';
import type { RunState } from './state.js';

/** What an iteration needs from the run's container. */
export interface IterationParts extends MicroBatchParts {
  readonly state: RunState;
  readonly optimizer: Optimizer;
  readonly learningRate: LearningRate;
}

/**
 * Runs one iteration: batches, gradients, step.
 * @returns its loss, as in `iteration:end`
 */
export async function iterate(parts: IterationParts, passes: PassReplay): Promise<number> {
  const { config, bus, state, optimizer, pluginIn } = parts;
  const { iteration } = state;
  const learningRate = parts.learningRate.at(iteration, optimizer.learningRate);
  checkRate(learningRate, { iteration, base: optimizer.learningRate, plugin: pluginIn('lr') });
  await bus.dispatch('iteration:start', { iteration, learningRate });

  const ready: GradientsReady = { iteration, gradients: new Map() };
  try {
    const passed = await passBatches(parts, passes, ready);
    const { tokens, targets } = passed;
    if (targets === 0) parts.trainingLoss.skipped(iteration + 1);
    const { loss, ...step } = targets === 0 ? NO_STEP : await takeStep(parts, ready, learningRate, passed);

    state.iteration = iteration + 1;
    state.tokens += tokens;
    state.measuredAs({});
    const counts = { maxIters: config.max_iters, targets, tokens: state.tokens };
    await bus.dispatch('iteration:end', { iteration, ...counts, loss, ...step, learningRate });
    return loss;
  } finally {
    for (const gradient of ready.gradients.values()) gradient.dispose();
  }
}

const NO_STEP = { loss: NaN, terms: {}, gradNorm: 0, skipped: 'every target is -1 (ignored) or has weight 0' };

type StepResult = Pick<IterationEnd, 'loss' | 'terms' | 'gradNorm' | 'skipped'>;

/** @param passed reads the losses of this rank; the returned ones are of all ranks */
async function takeStep(
  parts: IterationParts,
  ready: GradientsReady,
  learningRate: number,
  passed: PassedBatches,
): Promise<StepResult> {
  const { config, bus, engine, model, optimizer, ranks, sections } = parts;
  const taken = takeUnreadStep(parts, ready, learningRate, passed);
  if (taken !== undefined) return taken;
  await bus.dispatch('gradients:ready', ready);
  useEngine(engine);
  const { iteration, gradients } = ready;
  const parameters = trainableParameters(model);
  checkGradients(gradients, parameters, () => bus.order('gradients:ready'));
  // Clipping costs the norm; the scaling itself is part of the update.
  const gradNorm = sections.measure('clipping', () => globalNorm([...gradients.values()]));
  // Only now, so that an engine that computes in the background is waited for once.
  const { loss, terms } = lossesOf(passed, await ranks.average([...passed.readLosses()]));
  const step: StepReady = { iteration, loss, gradNorm, gradients };
  await bus.dispatch('step:ready', step);
  if (step.skip === undefined) {
    useEngine(engine);
    const { grad_clip: gradClip } = config;
    sections.measure('optimizer', () => optimizer.step({ parameters, gradients, learningRate, gradClip, gradNorm }));
  }
  return { loss, terms, gradNorm, skipped: step.skip };
}

/**
 * Takes the step before its loss and norm are read, if the engine gains by that and no listener needs them before.
 * @returns undefined if the step is still to be taken: also if loss or norm is not finite, so that listeners can decide
 */
function takeUnreadStep(
  { config, bus, engine, model, optimizer, ranks, early, sections }: IterationParts,
  { gradients }: GradientsReady,
  learningRate: number,
  passed: PassedBatches,
): StepResult | undefined {
  if (engine.defers !== true || optimizer.stepUnread === undefined || ranks.size > 1 || early?.wanted === true)
    return undefined;
  if (bus.isNeeded('gradients:ready') || bus.isNeeded('step:ready') || gradients.size === 0) return undefined;
  if (!passed.isFinite) return undefined;
  useEngine(engine);
  const parameters = trainableParameters(model);
  const norm = sections.measure('clipping', () => checkedNorm([...gradients.values()], passed.unread));
  const step = { parameters, gradients, learningRate, gradClip: config.grad_clip, gradNorm: norm };
  const takeBack = sections.measure('optimizer', () => optimizer.stepUnread?.(step));
  // Else the engine would keep them.
  for (const gradient of gradients.values()) gradient.dispose();
  gradients.clear();
  const losses = lossesOf(passed, passed.readLosses());
  const [gradNorm = NaN] = norm.dataSync<'float32'>();
  norm.dispose();
  if (Number.isFinite(gradNorm)) return { ...losses, gradNorm, skipped: undefined };
  takeBack?.();
  passed.again();
  return undefined;
}

/** Returns the gradients' norm, to the last bit, or NaN if a loss is not finite. */
function checkedNorm(gradients: readonly tf.Tensor[], losses: readonly tf.Tensor[]): tf.Scalar {
  const zeros = losses.length === 0 ? [] : accumulateAll([], losses, 0);
  const norm = unreadNorm([...gradients, ...zeros]);
  tf.dispose(zeros);
  return norm;
}

function lossesOf(
  { terms }: PassedBatches,
  [loss = NaN, ...means]: readonly number[],
): Pick<StepResult, 'loss' | 'terms'> {
  return { loss, terms: Object.fromEntries(terms.map((name, at) => [name, means[at] ?? NaN])) };
}

/** @throws EspalierError naming the plugin, if a schedule returned a rate that is not finite */
function checkRate(rate: number, at: { iteration: number; base: number; plugin: string }): void {
  if (Number.isFinite(rate)) return;
  throw new EspalierError(
    'ESP_LEARNING_RATE',
    `plugin ${at.plugin} gave the learning rate ${String(rate)} for iteration ${String(at.iteration)} (base ${String(at.base)}): at(iteration, base) must return a finite number`,
  );
}

/**
 * Checks the gradients that listeners of `gradients:ready` may have replaced.
 * @param listeners returns the names of those plugins
 * @throws EspalierError naming the weight whose gradient is missing or does not fit
 */
function checkGradients(
  gradients: ReadonlyMap<string, tf.Tensor>,
  parameters: ReadonlyMap<string, tf.Variable>,
  listeners: () => readonly string[],
): void {
  const refuse = (what: string): never => {
    throw new EspalierError(
      'ESP_GRADIENTS',
      `after gradients:ready ${what}; a listener may only replace an entry of gradients, with a tensor of the same shape. Listeners: ${listeners().join(', ') || 'none'}`,
    );
  };
  for (const [name, { shape }] of parameters) {
    const gradient = gradients.get(name);
    if (gradient === undefined) return refuse(`the gradient of ${name} is missing`);
    if (gradient.isDisposed) return refuse(`the gradient of ${name} is disposed`);
    if (gradient.shape.length !== shape.length || gradient.shape.some((length, axis) => length !== shape[axis])) {
      return refuse(`the gradient of ${name} is [${String(gradient.shape)}], and the weight [${String(shape)}]`);
    }
  }
  if (gradients.size === parameters.size) return;
  const extra = [...gradients.keys()].find((name) => !parameters.has(name));
  refuse(`there is a gradient of ${JSON.stringify(extra)}, which is not the name of a trained weight`);
}
