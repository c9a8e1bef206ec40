import { tf, UsageError, type LoadedCheckpoint, type Optimizer, type StoredTensor } from '../../../core/index.js';
import { trainableParameters, type StoredWeights, type TakeOver, type WeightTargets } from '../../../core/runs.js';
import { matchOptimizer, matchWeights, type WeightMatch } from './match.js';

/** Largest number of weights without optimizer state to list. */
const MOST_FRESH = 12;

/** See `Models.loadWeights`. @returns how the weights matched */
export function loadWeights(
  from: StoredWeights,
  { engine, model, say }: WeightTargets,
  { all = false, takeOver = false }: { readonly all?: boolean } & TakeOver = {},
): WeightMatch {
  const match = matchWeights(model, from);
  const { found, mapped, skipped, fresh, misfits, differences } = match;
  const others = all ? [...skipped.map((name) => `this model has no place for ${name}`), ...differences] : [];
  if (misfits.length + others.length > 0) throw mismatch(from.path, [...misfits, ...others]);
  const toTensor = tensorMaker(from.weights, takeOver ? engine : {});
  for (const [name, stored] of found) {
    tf.tidy(() => {
      model.parameters().get(name)?.assign(toTensor(stored));
    });
  }
  model.initialize?.(fresh);
  const report = (what: string, names: readonly string[]): void => {
    if (names.length > 0) say(`weights of ${from.path}: ${String(names.length)} ${what}: ${few(names)}`);
  };
  report('mapped', mapped);
  report('skipped, because this model has no place for them', skipped);
  report('missing, which keep their initial values', fresh);
  return match;
}

/** See `Models.loadWithOptimizer`. */
export function loadWithOptimizer(
  from: LoadedCheckpoint,
  to: WeightTargets & { readonly optimizer: Optimizer },
  { takeOver = false }: TakeOver = {},
): void {
  const { engine, model, optimizer, say } = to;
  optimizer.prepare?.(model.parameters());
  const { sources } = loadWeights(from, to, { takeOver });
  const parameters = trainableParameters(model);
  const { found, scalars, fresh } = matchOptimizer(from.optimizer, sources, parameters);
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

function few(names: readonly string[], most = 4): string {
  const more = names.length > most ? `, and ${String(names.length - most)} more` : '';
  return `${names.slice(0, most).join(', ')}${more}`;
}

/**
 * Converts arrays to tensors; `takeOver` gives the checkpoint's own arrays to the engine, each once, since others may
 * share memory.
 */
function tensorMaker(
  checkpoint: ReadonlyMap<string, StoredTensor>,
  engine: WeightTargets['engine'],
): (stored: StoredTensor) => tf.Tensor {
  const own = new Set(checkpoint.values());
  return (stored) => {
    const { values, shape } = stored;
    const taken = own.delete(stored) && values instanceof Float32Array ? engine.takeOver?.(values, shape) : undefined;
    return taken ?? tf.tensor(values, shape);
  };
}

function mismatch(path: string, misfits: readonly string[]): UsageError {
  return new UsageError(
    'ESP_CHECKPOINT_MODEL',
    `the weights of ${path} do not fit the model: ${few(misfits)}; use the model settings they were made with`,
  );
}
