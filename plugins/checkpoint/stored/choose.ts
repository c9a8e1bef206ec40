import type { StoredFlags } from '../../runs/contract.js';
import { findBest, readFound } from './find.js';
import { readCheckpoint } from './read.js';
import { UsageError } from '../../../core/errors.js';
import type { LoadedCheckpoint, StoredTensor } from '../../../core/index.js';

/**
 * Reads a checkpoint for its weights: without the optimizer's tensors.
 * @param from a checkpoint or a run's folder
 * @throws UsageError where there is none, or none with such weights
 */
export async function readStored(from: string, cwd: string, { best, weights }: StoredFlags): Promise<LoadedCheckpoint> {
  const without = { optimizer: false };
  const checkpoint =
    best === true ? await readCheckpoint(findBest(from, cwd), without) : await readFound(from, cwd, without);
  return withWeightsOf(checkpoint, weights);
}

/**
 * The checkpoint with the weights that a plugin kept in it, with `stateTensors()` under the model's names, in place of the
 * model's own: averages of them, for one. Undefined for the model's own.
 * @throws UsageError where the plugin kept none, or not all
 */
function withWeightsOf(checkpoint: LoadedCheckpoint, plugin: string | undefined): LoadedCheckpoint {
  if (plugin === undefined) return checkpoint;
  const { path, plugins, weights: own } = checkpoint;
  const weights = weightsIn(own, plugins.get(plugin));
  if (weights !== undefined) return { ...checkpoint, weights };
  const others = [...plugins.keys()].filter((name) => weightsIn(own, plugins.get(name)) !== undefined);
  const there = others.length === 0 ? 'it has no weights of plugins' : `it has those of ${others.join(', ')}`;
  throw new UsageError('ESP_CHECKPOINT_WEIGHTS', `${path} holds no weights of plugin "${plugin}": ${there}`);
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
