import type { StoredFlags } from '../../runs/contract.js';
import { findBest, readFound } from './find.js';
import { readCheckpoint } from './read.js';
import { UsageError } from '../../../core/errors.js';
import type { LoadedCheckpoint, StoredTensor } from '../../../core/index.js';

/**
 * Reads a checkpoint without the optimizer's tensors.
 * @param from a checkpoint, or a run folder
 * @throws UsageError when there is no checkpoint, or it does not have the weights asked for
 */
export async function readStored(from: string, cwd: string, { best, weights }: StoredFlags): Promise<LoadedCheckpoint> {
  const without = { optimizer: false };
  const checkpoint =
    best === true ? await readCheckpoint(findBest(from, cwd), without) : await readFound(from, cwd, without);
  return withWeightsOf(checkpoint, weights);
}

/**
 * Replaces the model's weights by those that a plugin saved in `stateTensors()` under the same names, e.g. averages.
 * @param plugin undefined for the model's own weights
 * @throws UsageError when the plugin saved none, or not all
 */
function withWeightsOf(checkpoint: LoadedCheckpoint, plugin: string | undefined): LoadedCheckpoint {
  if (plugin === undefined) return checkpoint;
  const { path, plugins, weights: own } = checkpoint;
  const weights = weightsIn(own, plugins.get(plugin));
  if (weights !== undefined) return { ...checkpoint, weights };
  const others = [...plugins.keys()].filter((name) => weightsIn(own, plugins.get(name)) !== undefined);
  const there = others.length === 0 ? 'no plugin saved weights in it' : `it has weights of ${others.join(', ')}`;
  throw new UsageError('ESP_CHECKPOINT_WEIGHTS', `${path} has no weights of plugin "${plugin}"; ${there}`);
}

function weightsIn(
  own: ReadonlyMap<string, StoredTensor>,
  kept: ReadonlyMap<string, StoredTensor> | undefined,
): ReadonlyMap<string, StoredTensor> | undefined {
  const weights = new Map<string, StoredTensor>();
  for (const [name, { shape }] of own) {
    const tensor = kept?.get(name);
    if (tensor?.shape.join() !== shape.join()) return undefined;
    weights.set(name, tensor);
  }
  return weights;
}
