import { EspalierError, UsageError, type Batch, type Model } from '../../../core/index.js';
import { pluginOf, type CountedTargets } from '../../../core/runs.js';

type CheckingModel = Pick<Model, 'blockSize' | 'vocabSize' | 'takesDocuments'>;
type PerToken = Int32Array | Float32Array;

/**
 * Checks a batch. A wrong id would read another token's row on one engine and invalid memory on another.
 * @param from describes the batch and the plugin that made it
 * @throws EspalierError saying what is wrong
 * @throws UsageError if it has documents and the model does not support them
 */
export function checkBatch(batch: Batch, model: CheckingModel, from: () => string): void {
  const { inputs, targets, batchSize, blockSize } = batch;
  const { blockSize: longest, vocabSize } = model;
  const refuse = (what: string, todo: string): never => {
    throw new EspalierError('ESP_BATCH', `${from()}: ${what}; ${todo}`);
  };
  const size = batchSize * blockSize;
  const placeOf = (at: number): string =>
    `row ${String(Math.floor(at / blockSize))}, position ${String(at % blockSize)}`;
  for (const [name, ids, least] of [['inputs', inputs, 0] as const, ['targets', targets, -1] as const]) {
    if (!(ids instanceof Int32Array) || ids.length !== size) {
      const got = ids instanceof Int32Array ? `${String(ids.length)} ids` : 'not an Int32Array';
      refuse(
        `its ${name} are ${got}, for ${String(batchSize)} windows of ${String(blockSize)}`,
        `give an Int32Array of ${String(size)}`,
      );
    }
    const at = firstOutside(ids, least, vocabSize);
    if (at >= 0) {
      refuse(
        `its ${name} have the id ${String(ids[at])} at ${placeOf(at)}`,
        `ids are from ${String(least)} to ${String(vocabSize - 1)}, the model's last`,
      );
    }
  }
  if (blockSize > longest) {
    refuse(`its windows are ${String(blockSize)} long`, `the model takes at most ${String(longest)}`);
  }
  for (const { name, values, types } of extrasOf(batch)) {
    if (types.some((type) => values instanceof type) && values.length === size) continue;
    const wanted = types.map((type) => type.name).join(' or ');
    refuse(`its ${name} are not of type ${wanted} and length ${String(size)}`, 'give one number for each token');
  }
  const wrong = batch.weights?.findIndex((weight) => !(weight >= 0 && weight < Infinity)) ?? -1;
  if (wrong >= 0) {
    refuse(
      `its weights have ${String(batch.weights?.[wrong])} at ${placeOf(wrong)}`,
      'weights are finite and at least 0',
    );
  }
  if (batch.documents !== undefined && model.takesDocuments !== true) {
    throw new UsageError(
      'ESP_BATCH_DOCUMENTS',
      `${from()} has documents, and model plugin ${pluginOf(model)} does not keep attention within them (\`takesDocuments\` of the contract Model); choose another model, or a batch strategy without documents`,
    );
  }
}

/** Yields a batch's optional arrays, with their allowed types. */
function* extrasOf({ weights, documents, fields = {} }: Batch): Generator<{
  name: string;
  values: PerToken;
  types: readonly (Int32ArrayConstructor | Float32ArrayConstructor)[];
}> {
  if (weights !== undefined) yield { name: 'weights', values: weights, types: [Float32Array] };
  if (documents !== undefined) yield { name: 'documents', values: documents, types: [Int32Array] };
  for (const [name, values] of Object.entries(fields)) {
    yield { name: `numbers of the field ${JSON.stringify(name)}`, values, types: [Int32Array, Float32Array] };
  }
}

/** Counts the targets of a batch that count in the loss (not -1, nor of weight 0) and sums their weights. */
export function countedTargets({ targets, weights }: Pick<Batch, 'targets' | 'weights'>): CountedTargets {
  let count = 0;
  let weight = 0;
  for (let at = 0; at < targets.length; at++) {
    const own = weights?.[at] ?? 1;
    if (targets[at] === -1 || own === 0) continue;
    count++;
    weight += own;
  }
  return { targets: count, weight };
}

/** Checks every id that is trained on; a plain loop takes about 2 ns per id. */
function firstOutside(ids: Int32Array, least: number, end: number): number {
  for (let at = 0; at < ids.length; at++) {
    const id = ids[at] ?? 0;
    if (id < least || id >= end) return at;
  }
  return -1;
}
