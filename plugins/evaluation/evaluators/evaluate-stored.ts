import { BatchSource, Dataset, Engine, suggestion, UsageError } from '../../../core/index.js';
import { openStoredRun } from '../../checkpoint/contract.js';
import { estimateLoss, fullLoss } from '../loss/estimate-loss.js';
import { lossName, setIn, setsOf } from '../loss/validation-sets.js';
import { Evaluators } from './evaluator.js';
import { RunEvaluators } from './run-evaluators.js';

/** What was measured on a checkpoint. */
export interface StoredEvaluation {
  readonly checkpoint: string;
  readonly iteration: number;
  /** By name. Losses come first, in nats per target. */
  readonly metrics: Readonly<Record<string, number>>;
}

interface EvaluateOptions {
  /** Training batches for the training loss. */
  readonly iters: number;
  /** Names of evaluators and validation sets, or `loss` for all losses; undefined: everything. */
  readonly only: readonly string[] | undefined;
}

const LOSS = 'loss';

/**
 * Measures a stored run: its loss on all validation data and on each named set, an estimate of its training loss, and
 * what the evaluators of its config measure.
 * @param from a checkpoint, or a run folder
 */
export async function evaluateStored(
  from: string,
  request: Parameters<typeof openStoredRun>[2],
  { iters, only }: EvaluateOptions,
): Promise<StoredEvaluation> {
  const slots = ['engine', 'tokenizer', 'data', 'batches', 'model'] as const;
  const { run, checkpoint } = await openStoredRun(from, slots, { ...request, adding: [Evaluators] });
  try {
    const { container, model } = run;
    const evaluators = container.resolve(RunEvaluators);
    evaluators.refuseDuplicates();
    const data = container.resolve(Dataset);
    const names = chosen(only, [LOSS, ...setsOf(data), ...evaluators.names()]);
    const shape = { batchSize: run.config.train.batch_size, blockSize: model.blockSize };
    const engine = container.resolve(Engine);
    const metrics: Record<string, number> = {};
    if (names.includes(LOSS)) {
      metrics['train/loss'] = await estimateLoss(model, container.resolve(BatchSource), 'train', iters, shape, {
        engine,
      });
      metrics['val/loss'] = await fullLoss(model, data.split('val'), shape, { engine });
    }
    for (const name of setsOf(data)) {
      if (!names.includes(name) && !names.includes(LOSS)) continue;
      metrics[lossName(name)] = await fullLoss(model, setIn(data, name), shape, { engine });
    }
    for (const name of names) {
      const evaluator = evaluators.named(name);
      if (evaluator === undefined) continue;
      const measured = await evaluators.measure(evaluator, { stop: () => false, onBatch: () => undefined });
      Object.assign(metrics, measured().values);
    }
    return { checkpoint: checkpoint.path, iteration: checkpoint.state.run.iteration, metrics };
  } finally {
    await run.dispose();
  }
}

/** Returns the names to measure. @throws UsageError for an unknown name */
function chosen(only: readonly string[] | undefined, known: readonly string[]): readonly string[] {
  const unknown = only?.find((name) => !known.includes(name));
  if (unknown === undefined) return only ?? known;
  const near = suggestion(unknown, known, 'known names');
  throw new UsageError(
    'ESP_USAGE',
    `--only ${unknown}: this run has no evaluator or validation set of that name: ${near}`,
  );
}
