import { BatchSource, Dataset, Engine } from '../../../core/index.js';
import { openStoredRun } from '../../checkpoint/contract.js';
import { estimateLoss, fullLoss } from './estimate-loss.js';

/** Losses of a checkpoint, in nats a target. */
export interface StoredLosses {
  readonly checkpoint: string;
  readonly iteration: number;
  readonly 'train/loss': number;
  readonly 'val/loss': number;
}

/**
 * Measures a run that is stored: its loss over the whole validation data, and an estimate on training data.
 * @param from a checkpoint or a run's folder
 * @param iters batches of training data
 */
export async function storedLosses(
  from: string,
  request: Parameters<typeof openStoredRun>[2],
  iters: number,
): Promise<StoredLosses> {
  const slots = ['engine', 'tokenizer', 'data', 'batches', 'model'] as const;
  const { run, checkpoint } = await openStoredRun(from, slots, request);
  try {
    const { container, model } = run;
    const shape = { batchSize: run.config.train.batch_size, blockSize: model.blockSize };
    const engine = container.resolve(Engine);
    return {
      checkpoint: checkpoint.path,
      iteration: checkpoint.state.run.iteration,
      'train/loss': await estimateLoss(model, container.resolve(BatchSource), 'train', iters, shape, { engine }),
      'val/loss': await fullLoss(model, container.resolve(Dataset).split('val'), shape, { engine }),
    };
  } finally {
    await run.dispose();
  }
}
