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
}

/** Puts a run where a checkpoint was made. @throws UsageError naming the first thing that does not fit */
export function restoreCheckpoint(from: LoadedCheckpoint, to: RestoreTargets): void {
  refuseOtherPlugins(from, to.plugins);
  loadWeights(to.model, from);
  tf.tidy(() => {
    const tensors = new Map([...from.optimizer.tensors].map(([name, stored]) => [name, toTensor(stored)]));
    to.optimizer.importState({ tensors, scalars: from.optimizer.scalars }, to.model.parameters());
  });
  to.state.restore(from.state.run);
  to.random.restore(from.state.random);
  to.tunables.restore(from.state.tunables ?? {});
  for (const { name, instance } of to.plugins) {
    if (!(name in from.state.plugins)) continue;
    try {
      instance.restore?.(from.state.plugins[name]);
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

function refuseOtherPlugins(from: LoadedCheckpoint, plugins: readonly LivePlugin[]): void {
  const restorable = new Set(plugins.filter(({ instance }) => instance.restore !== undefined).map(({ name }) => name));
  const lost = Object.keys(from.state.plugins).find((name) => !restorable.has(name));
  if (lost !== undefined) {
    throw new UsageError(
      'ESP_CHECKPOINT_PLUGIN',
      `checkpoint ${from.path} holds the state of plugin ${lost}, which this run does not have; turn it on again`,
    );
  }
}
