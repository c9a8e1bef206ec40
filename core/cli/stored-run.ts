import { findBest, findCheckpoint } from '../checkpoint/find.js';
import { readCheckpoint } from '../checkpoint/read.js';
import type { LoadedCheckpoint } from '../contracts/checkpoint-store.js';
import { composeStored } from '../config/load.js';
import type { Slot } from '../plugins/plugin.js';
import { storedConfig } from '../resume/stored-config.js';
import { createRunFrom, type RunRequest } from '../run/create.js';
import type { Run } from '../run/run.js';

/**
 * Makes a run again from a checkpoint, with the slots that are asked for and no features; weights loaded.
 * @param from a checkpoint or a run's folder (its newest, or with `best` its best checkpoint)
 */
export async function openStoredRun(
  from: string,
  slots: readonly Slot[],
  request: RunRequest & { readonly best?: boolean | undefined },
): Promise<{ run: Run; checkpoint: LoadedCheckpoint }> {
  const find = request.best === true ? findBest : findCheckpoint;
  const checkpoint = await readCheckpoint(await find(from, request.cwd));
  const composed = composeStored(storedConfig(checkpoint, request.cwd), checkpoint.path, [...(request.set ?? [])]);
  const { run } = await createRunFrom(composed, { ...request, only: slots });
  try {
    const vocabSize = Number(checkpoint.model['vocab_size']);
    await run.setUp(vocabSize);
    run.restoreShape(checkpoint);
    run.loadWeights(checkpoint);
  } catch (thrown) {
    await run.dispose();
    throw thrown;
  }
  return { run, checkpoint };
}
