import { tf } from '../tf.js';
import type { LoadedCheckpoint, StoredTensor } from '../contracts/checkpoint-store.js';
import type { Engine } from '../contracts/engine.js';
import type { Model } from '../contracts/model.js';
import type { Models, WeightMatch } from '../contracts/models.js';
import type { Ranks } from '../contracts/ranks.js';
import type { Optimizer } from '../contracts/optimizer.js';
import { messageOf, UsageError } from '../errors.js';
import type { RandomStreams } from '../random/streams.js';
import type { LivePlugin } from './container.js';
import type { RollbackRequest } from './control.js';
import { trainableParameters } from './step.js';
import { hasState, restorePlugin, restorePlugins } from './plugin-state.js';
import type { RunState } from './state.js';
import type { Tunables } from './tunables.js';

export interface RestoreTargets {
  readonly engine: Pick<Engine, 'takeOver'>;
  readonly models: Models;
  readonly model: Model;
  readonly optimizer: Optimizer;
  readonly state: RunState;
  readonly random: RandomStreams;
  readonly tunables: Tunables;
  readonly plugins: readonly LivePlugin[];
  /** Told of what did not fit one to one. */
  readonly say: (line: string) => void;
}

/** The checkpoint as this rank goes on from it: what it had of its own, where there is such, in place of rank 0's. */
export function ofRank(from: LoadedCheckpoint, { rank, size }: Ranks): LoadedCheckpoint {
  const own = from.state.ranks === size ? from.state.others?.[String(rank)] : undefined;
  if (own === undefined) return from;
  const { random, plugins } = from.state;
  const state = { ...from.state, random: { ...random, ...own.random }, plugins: { ...plugins, ...own.plugins } };
  return { ...from, state };
}

/**
 * Puts a run where a checkpoint was made.
 * @param options.drop plugins that start afresh
 * @param options.takeOver the checkpoint's arrays become the engine's: nobody uses them afterwards
 * @throws UsageError naming the first thing that does not fit
 */
export function restoreCheckpoint(
  from: LoadedCheckpoint,
  to: RestoreTargets,
  { drop = [], takeOver = false }: { readonly drop?: readonly string[] | undefined } & TakeOver = {},
): void {
  refuseOtherPlugins(from, to.plugins, drop);
  // First, so that a plugin may say what is wrong, or put the model into the shape that the weights have.
  restorePlugins(
    from,
    to.plugins.filter(({ name }) => !drop.includes(name)),
  );
  restoreTensors(from, to, takeOver);
  to.random.restore(from.state.random);
  restorePosition(from, to);
}

/**
 * Puts a run back where it was at one of its own checkpoints, as `RollbackRequest` says. Plugins that the checkpoint
 * knows nothing of had nothing to keep then, and are told so.
 */
export function rollBackTo(from: LoadedCheckpoint, { what, data }: RollbackRequest, to: RestoreTargets): void {
  const random = to.random.state();
  const skips = data === 'skip';
  const plugins = to.plugins.filter(({ decidesShape, slot }) =>
    what === 'model' ? decidesShape : !(skips && slot === 'batches'),
  );
  restorePlugins(from, plugins);
  for (const plugin of plugins) if (from.state.plugins[plugin.name] === undefined) startAfresh(plugin, from, to);
  restoreTensors(from, to);
  // Plugins may have drawn from a stream while they got their state back.
  to.random.restore(what === 'model' || skips ? random : from.state.random);
  if (what === 'run') restorePosition(from, to);
  else to.state.measuredAs(from.state.run);
}

/** One that was turned on after the checkpoint was made may not know how to go back to nothing: it stays as it is. */
function startAfresh({ name, instance, decidesShape }: LivePlugin, from: LoadedCheckpoint, to: RestoreTargets): void {
  if (!hasState(instance)) return;
  try {
    restorePlugin(from, name, instance);
  } catch (thrown) {
    if (decidesShape) throw thrown;
    to.say(`${messageOf(thrown)}; checkpoint ${from.path} has no state of it, it stays as it is`);
  }
}

function restorePosition(from: LoadedCheckpoint, to: RestoreTargets): void {
  to.state.restore(from.state.run);
  to.tunables.restore(from.state.tunables);
}

/** Weights, and the optimizer's state as far as it fits them. */
function restoreTensors(from: LoadedCheckpoint, to: RestoreTargets, takeOver = false): void {
  const { engine, model, models, optimizer, say } = to;
  optimizer.prepare?.(model.parameters());
  const { sources } = loadWeights(from, to, { takeOver });
  const parameters = trainableParameters(model);
  const { found, scalars, fresh } = models.matchOptimizer(from.optimizer, sources, parameters);
  if (from.optimizer.tensors.size > 0 && fresh.length > 0) {
    const transferred = `${String(parameters.size - fresh.length)} / ${String(parameters.size)}`;
    say(
      `optimizer state transferred ${transferred}; checkpoint ${from.path} has none that fits these, which start fresh: ${few(fresh, MOST_FRESH)}`,
    );
  }
  const toTensor = tensorMaker(from.optimizer.tensors, takeOver ? engine : {});
  tf.tidy(() => {
    const tensors = new Map([...found].map(([name, stored]) => [name, toTensor(stored)]));
    optimizer.importState({ tensors, scalars }, model.parameters());
  });
}

/** Weights that are named where they start without the optimizer's state. */
const MOST_FRESH = 12;

/** Weights to take alone; `model`: the description of the model that they are of. */
export type WeightsOf = Pick<LoadedCheckpoint, 'path' | 'weights'> & Partial<Pick<LoadedCheckpoint, 'model'>>;

export interface TakeOver {
  /** The arrays that are read become the engine's, which saves copying them: nobody uses them afterwards. */
  readonly takeOver?: boolean | undefined;
}

/**
 * Brings a checkpoint's weights into the model, and tells of what was mapped, skipped or left as new.
 * @param options `all`: refuses what makes them compute something else here: weights that the model has no place for, and
 *   settings of the model that no shape shows, as its heads
 * @throws UsageError naming every weight that is missing or has another shape, with both shapes
 */
export function loadWeights(
  from: WeightsOf,
  { engine, model, models, say }: Pick<RestoreTargets, 'engine' | 'model' | 'models' | 'say'>,
  options: { readonly all?: boolean } & TakeOver = {},
): WeightMatch {
  const match = models.matchWeights(model, from);
  const { found, mapped, skipped, fresh, misfits, differences } = match;
  const others =
    options.all === true ? [...skipped.map((name) => `this model has no place for ${name}`), ...differences] : [];
  if (misfits.length + others.length > 0) throw mismatch(from, [...misfits, ...others]);
  const toTensor = tensorMaker(from.weights, options.takeOver === true ? engine : {});
  for (const [name, stored] of found) {
    tf.tidy(() => {
      model.parameters().get(name)?.assign(toTensor(stored));
    });
  }
  model.initialize?.(fresh);
  const tell = (what: string, names: readonly string[]): void => {
    if (names.length > 0) say(`weights of ${from.path}: ${String(names.length)} ${what}: ${few(names)}`);
  };
  tell('mapped', mapped);
  tell('skipped, which this model has no place for', skipped);
  tell('not there, which start anew', fresh);
  return match;
}

function few(names: readonly string[], most = 4): string {
  const more = names.length > most ? `, and ${String(names.length - most)} more` : '';
  return `${names.slice(0, most).join(', ')}${more}`;
}

/** Makes tensors of arrays: by `takeOver` those that are the checkpoint's own, each once; others may share memory. */
function tensorMaker(
  checkpoint: ReadonlyMap<string, StoredTensor>,
  engine: Pick<Engine, 'takeOver'>,
): (stored: StoredTensor) => tf.Tensor {
  const own = new Set(checkpoint.values());
  return (stored) => {
    const { values, shape } = stored;
    const taken = own.delete(stored) && values instanceof Float32Array ? engine.takeOver?.(values, shape) : undefined;
    return taken ?? tf.tensor(values, shape);
  };
}

function mismatch(from: Pick<LoadedCheckpoint, 'path'>, misfits: readonly string[]): UsageError {
  return new UsageError(
    'ESP_CHECKPOINT_MODEL',
    `the weights of ${from.path} do not fit the model: ${few(misfits)}; use the model settings they were made with`,
  );
}

/** @throws UsageError for state that no plugin takes, that a plugin lacks, or that is newer than its plugin */
function refuseOtherPlugins(from: LoadedCheckpoint, plugins: readonly LivePlugin[], drop: readonly string[]): void {
  const kept = Object.keys(from.state.plugins);
  const unknown = drop.find((name) => !kept.includes(name) && !plugins.some((plugin) => plugin.name === name));
  if (unknown !== undefined) {
    throw new UsageError(
      'ESP_CHECKPOINT_PLUGIN',
      `--resume-drop ${unknown}: neither checkpoint ${from.path} nor this run has such a plugin; it holds the state of ${kept.join(', ')}`,
    );
  }
  const refuse = (name: string, what: string, todo: string): void => {
    if (drop.includes(name)) return;
    throw new UsageError(
      'ESP_CHECKPOINT_PLUGIN',
      `checkpoint ${from.path} ${what}; ${todo}, or go on without with --resume-drop ${name}`,
    );
  };
  for (const name of kept) {
    const plugin = plugins.find((each) => each.name === name);
    if (plugin === undefined) {
      refuse(name, `holds the state of plugin ${name}, which this run does not have`, 'turn it on again');
    } else if (plugin.instance.restore === undefined && plugin.instance.restoreTensors === undefined) {
      refuse(name, `holds the state of plugin ${name}, which has no restore() any more`, 'give it that back');
    } else if ((from.state.plugins[name]?.version ?? 1) > plugin.stateVersion) {
      const versions = `version ${String(from.state.plugins[name]?.version)}, newer than ${String(plugin.stateVersion)}`;
      refuse(name, `holds the state of plugin ${name} in ${versions}`, 'use a newer one');
    }
  }
  for (const { name, instance } of plugins) {
    // One that has nothing to keep before it starts needs nothing.
    if (kept.includes(name) || !hasState(instance)) continue;
    refuse(name, `lacks the state of plugin ${name}, which was not on when it was made`, 'turn it off again');
  }
}
