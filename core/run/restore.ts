import * as tf from '@tensorflow/tfjs-core';
import type { LoadedCheckpoint, StoredTensor } from '../contracts/checkpoint-store.js';
import type { Model } from '../contracts/model.js';
import type { Optimizer } from '../contracts/optimizer.js';
import { PluginError, UsageError } from '../errors.js';
import type { RandomStreams } from '../random/streams.js';
import type { LivePlugin } from './container.js';
import type { RunState } from './state.js';
import type { Tunables } from './tunables.js';

export interface RestoreTargets {
  readonly model: Model;
  readonly optimizer: Optimizer;
  readonly state: RunState;
  readonly random: RandomStreams;
  readonly tunables: Tunables;
  readonly plugins: readonly LivePlugin[];
  /** Plugins that start afresh. */
  readonly drop: readonly string[];
}

/** Puts a run where a checkpoint was made. @throws UsageError naming the first thing that does not fit */
export function restoreCheckpoint(from: LoadedCheckpoint, to: RestoreTargets): void {
  refuseOtherPlugins(from, to.plugins, to.drop);
  // First, so that a plugin may say what is wrong, or put the model into the shape that the weights have.
  restorePlugins(
    from,
    to.plugins.filter(({ name }) => !to.drop.includes(name)),
  );
  loadWeights(to.model, from);
  tf.tidy(() => {
    const tensors = new Map([...from.optimizer.tensors].map(([name, stored]) => [name, toTensor(stored)]));
    to.optimizer.importState({ tensors, scalars: from.optimizer.scalars }, to.model.parameters());
  });
  to.state.restore(from.state.run);
  to.random.restore(from.state.random);
  to.tunables.restore(from.state.tunables);
}

/** Gives plugins back what their `state()` returned. @throws PluginError naming the first that does not take it */
export function restorePlugins(from: LoadedCheckpoint, plugins: readonly LivePlugin[]): void {
  for (const { name, instance } of plugins) {
    const kept = from.state.plugins[name];
    if (kept === undefined) continue;
    try {
      instance.restore?.(kept.state, kept.version);
    } catch (thrown) {
      throw new PluginError(name, 'restore()', thrown);
    }
  }
}

/** Copies a checkpoint's weights into the model by name; both must hold the same names and shapes. */
export function loadWeights(model: Model, from: Pick<LoadedCheckpoint, 'path' | 'weights'>): void {
  const parameters = model.parameters();
  const unknown = [...from.weights.keys()].find((name) => !parameters.has(name));
  if (unknown !== undefined) throw mismatch(from, `it holds ${unknown}, which this model has not`);
  for (const [name, variable] of parameters) {
    const stored = from.weights.get(name);
    if (stored === undefined) throw mismatch(from, `it lacks ${name}`);
    if (String(stored.shape) !== String(variable.shape)) {
      throw mismatch(from, `${name} is [${String(stored.shape)}] there and [${String(variable.shape)}] here`);
    }
    tf.tidy(() => {
      variable.assign(toTensor(stored));
    });
  }
}

function toTensor(stored: StoredTensor): tf.Tensor {
  return tf.tensor(stored.values, stored.shape);
}

function mismatch(from: Pick<LoadedCheckpoint, 'path'>, what: string): UsageError {
  return new UsageError(
    'ESP_CHECKPOINT_MODEL',
    `checkpoint ${from.path} does not fit the model: ${what}; use the model settings it was made with`,
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
    const plugin = plugins.find((each) => each.name === name && each.instance.restore !== undefined);
    if (plugin === undefined) {
      refuse(name, `holds the state of plugin ${name}, which this run does not have`, 'turn it on again');
    } else if ((from.state.plugins[name]?.version ?? 1) > plugin.stateVersion) {
      const versions = `version ${String(from.state.plugins[name]?.version)}, newer than ${String(plugin.stateVersion)}`;
      refuse(name, `holds the state of plugin ${name} in ${versions}`, 'use a newer one');
    }
  }
  for (const { name, instance } of plugins) {
    if (instance.state === undefined || kept.includes(name)) continue;
    refuse(name, `lacks the state of plugin ${name}, which was not on when it was made`, 'turn it off again');
  }
}
