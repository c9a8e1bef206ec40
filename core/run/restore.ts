import type { LoadedCheckpoint } from '../contracts/checkpoint-store.js';
import type { Models, TakeOver, WeightTargets } from '../contracts/models.js';
import type { Ranks } from '../contracts/ranks.js';
import type { Optimizer } from '../contracts/optimizer.js';
import { messageOf, UsageError } from '../errors.js';
import type { RandomStreams } from '../random/streams.js';
import type { LivePlugin } from './container.js';
import type { RollbackRequest } from './control.js';
import { hasState, restorePlugin, restorePlugins } from './plugin-state.js';
import type { RunState } from './state.js';
import type { Tunables } from './tunables.js';

export interface RestoreTargets extends WeightTargets {
  readonly models: Models;
  readonly optimizer: Optimizer;
  readonly state: RunState;
  readonly random: RandomStreams;
  readonly tunables: Tunables;
  readonly plugins: readonly LivePlugin[];
}

/** Returns the checkpoint for this rank: its own state where that differs from rank 0's. */
export function ofRank(from: LoadedCheckpoint, { rank, size }: Ranks): LoadedCheckpoint {
  const own = from.state.ranks === size ? from.state.others?.[String(rank)] : undefined;
  if (own === undefined) return from;
  const { random, plugins } = from.state;
  const state = { ...from.state, random: { ...random, ...own.random }, plugins: { ...plugins, ...own.plugins } };
  return { ...from, state };
}

/**
 * Restores a run from a checkpoint.
 * @param options.drop plugins whose state is not restored
 * @param options.takeOver gives the checkpoint's arrays to the engine: nothing else may use them afterwards
 * @throws UsageError naming the first thing that does not fit
 */
export function restoreCheckpoint(
  from: LoadedCheckpoint,
  to: RestoreTargets,
  { drop = [], takeOver }: { readonly drop?: readonly string[] | undefined } & TakeOver = {},
): void {
  refuseOtherPlugins(from, to.plugins, drop);
  // First, so that a plugin may report what is wrong, or give the model the shape of the stored weights.
  restorePlugins(
    from,
    to.plugins.filter(({ name }) => !drop.includes(name)),
  );
  to.models.loadWithOptimizer(from, to, { takeOver });
  to.random.restore(from.state.random);
  restorePosition(from, to);
}

/**
 * Rolls a run back to one of its checkpoints, as `RollbackRequest` describes. Plugins without state in the checkpoint
 * get `restore(undefined)`.
 */
export function rollBackTo(from: LoadedCheckpoint, { what, data }: RollbackRequest, to: RestoreTargets): void {
  const random = to.random.state();
  const skips = data === 'skip';
  const plugins = to.plugins.filter(({ decidesShape, slot }) =>
    what === 'model' ? decidesShape : !(skips && slot === 'batches'),
  );
  restorePlugins(from, plugins);
  for (const plugin of plugins) if (from.state.plugins[plugin.name] === undefined) startAfresh(plugin, from, to);
  to.models.loadWithOptimizer(from, to);
  // Again, because plugins may have drawn from a stream while restoring their state.
  to.random.restore(what === 'model' || skips ? random : from.state.random);
  if (what === 'run') restorePosition(from, to);
  else to.state.measuredAs(from.state.run);
}

/** A plugin that was turned on after the checkpoint may not support `restore(undefined)`: it then stays unchanged. */
function startAfresh({ name, instance, decidesShape }: LivePlugin, from: LoadedCheckpoint, to: RestoreTargets): void {
  if (!hasState(instance)) return;
  try {
    restorePlugin(from, name, instance);
  } catch (thrown) {
    if (decidesShape) throw thrown;
    to.say(`${messageOf(thrown)}; checkpoint ${from.path} has no state for it, so it stays unchanged`);
  }
}

function restorePosition(from: LoadedCheckpoint, to: RestoreTargets): void {
  to.state.restore(from.state.run);
  to.tunables.restore(from.state.tunables);
}

/** @throws UsageError for state without a plugin, for a plugin without state, and for state newer than its plugin */
function refuseOtherPlugins(from: LoadedCheckpoint, plugins: readonly LivePlugin[], drop: readonly string[]): void {
  const kept = Object.keys(from.state.plugins);
  const unknown = drop.find((name) => !kept.includes(name) && !plugins.some((plugin) => plugin.name === name));
  if (unknown !== undefined) {
    throw new UsageError(
      'ESP_CHECKPOINT_PLUGIN',
      `--resume-drop ${unknown}: neither checkpoint ${from.path} nor this run has this plugin; the checkpoint has the state of ${kept.join(', ')}`,
    );
  }
  const refuse = (name: string, what: string, todo: string): void => {
    if (drop.includes(name)) return;
    throw new UsageError(
      'ESP_CHECKPOINT_PLUGIN',
      `checkpoint ${from.path} ${what}; ${todo}, or resume without it: --resume-drop ${name}`,
    );
  };
  for (const name of kept) {
    const plugin = plugins.find((each) => each.name === name);
    if (plugin === undefined) {
      refuse(name, `holds the state of plugin ${name}, which this run does not have`, 'turn it on');
    } else if (plugin.instance.restore === undefined && plugin.instance.restoreTensors === undefined) {
      refuse(name, `holds the state of plugin ${name}, which no longer has restore()`, 'add it again');
    } else if ((from.state.plugins[name]?.version ?? 1) > plugin.stateVersion) {
      const versions = `version ${String(from.state.plugins[name]?.version)}, newer than ${String(plugin.stateVersion)}`;
      refuse(name, `holds the state of plugin ${name} in ${versions}`, 'update the plugin');
    }
  }
  for (const { name, instance } of plugins) {
    // A plugin that has no state before it starts needs none from the checkpoint.
    if (kept.includes(name) || !hasState(instance)) continue;
    refuse(name, `lacks the state of plugin ${name}, which was off when it was saved`, 'turn it off');
  }
}
