import { UsageError } from '../../../core/errors.js';
import type { LoadedCheckpoint, Run, Slot } from '../../../core/index.js';
import { type RunRequest, makeRunFrom } from '../../../core/runs.js';
import { composeStored, withoutReplaced } from '../../configs/contract.js';
import { storedConfig } from '../resume/stored-config.js';
import type { StoredFlags } from '../../runs/contract.js';
import { readStored } from './choose.js';

/**
 * Makes a run from a checkpoint with only the given slots, sets it up and loads the weights.
 * @param from a checkpoint, or a run folder
 * @returns the run, and the checkpoint without its tensors, which now belong to the run
 */
export async function openStoredRun(
  from: string,
  slots: readonly Slot[],
  request: RunRequest & StoredFlags,
): Promise<{ run: Run; checkpoint: Pick<LoadedCheckpoint, 'path' | 'model' | 'state'> }> {
  const checkpoint = await readStored(from, request.cwd, request);
  const composed = composeStored(storedConfig(checkpoint, request.cwd), checkpoint.path, [...(request.set ?? [])]);
  const { run } = await makeRunFrom(await withoutReplaced(composed, request), { ...request, only: slots });
  try {
    await run.setUp(vocabSizeOf(checkpoint), { loads: true });
    run.restoreShape(checkpoint);
    run.loadWeights(checkpoint, { takeOver: true });
  } catch (thrown) {
    await run.dispose();
    throw thrown;
  }
  return { run, checkpoint };
}

function vocabSizeOf({ model, path }: LoadedCheckpoint): number {
  const size = model['vocab_size'];
  if (typeof size === 'number' && Number.isInteger(size) && size > 0) return size;
  // Checkpoints of earlier versions may lack it.
  throw new UsageError(
    'ESP_CHECKPOINT_MODEL',
    `${path}: config.json does not give the model's vocab_size (it is ${size === undefined ? 'missing' : JSON.stringify(size)}); add the number of tokens to it, or save the checkpoint again: espalier train --resume`,
  );
}
