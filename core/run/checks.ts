import type { Tensor, Variable } from '@tensorflow/tfjs-core';
import type { Batch } from '../contracts/data.js';
import type { Model } from '../contracts/model.js';
import { EspalierError } from '../errors.js';

/** @throws EspalierError naming the plugin, where a schedule gave what no step can be made with */
export function checkRate(rate: number, at: { iteration: number; base: number; plugin: string }): void {
  if (Number.isFinite(rate)) return;
  throw new EspalierError(
    'ESP_LEARNING_RATE',
    `plugin ${at.plugin} gave the learning rate ${String(rate)} for iteration ${String(at.iteration)} (base ${String(at.base)}): at(iteration, base) must return a finite number`,
  );
}

/**
 * A wrong id would be another token's row on one engine and memory that is nobody's on another.
 * @param from what it is and who gave it
 * @throws EspalierError saying what is wrong with it
 */
export function checkBatch(
  { inputs, targets, batchSize, blockSize }: Batch,
  { blockSize: longest, vocabSize }: Pick<Model, 'blockSize' | 'vocabSize'>,
  from: () => string,
): void {
  const refuse = (what: string, todo: string): never => {
    throw new EspalierError('ESP_BATCH', `${from()}: ${what}; ${todo}`);
  };
  const size = batchSize * blockSize;
  for (const [name, ids, least] of [['inputs', inputs, 0] as const, ['targets', targets, -1] as const]) {
    if (!(ids instanceof Int32Array) || ids.length !== size) {
      const got = ids instanceof Int32Array ? `${String(ids.length)} ids` : 'no Int32Array';
      refuse(
        `its ${name} are ${got}, for ${String(batchSize)} windows of ${String(blockSize)}`,
        `give an Int32Array of ${String(size)}`,
      );
    }
    const at = firstOutside(ids, least, vocabSize);
    if (at >= 0) {
      const place = `row ${String(Math.floor(at / blockSize))}, position ${String(at % blockSize)}`;
      refuse(
        `its ${name} have the id ${String(ids[at])} at ${place}`,
        `ids are from ${String(least)} to ${String(vocabSize - 1)}, the model's last`,
      );
    }
  }
  if (blockSize > longest) {
    refuse(`its windows are ${String(blockSize)} long`, `the model takes at most ${String(longest)}`);
  }
}

/**
 * Listeners of `gradients:ready` may replace gradients.
 * @param listeners names of the plugins that do
 * @throws EspalierError naming the weight, where they left none that fits it
 */
export function checkGradients(
  gradients: ReadonlyMap<string, Tensor>,
  parameters: ReadonlyMap<string, Variable>,
  listeners: () => readonly string[],
): void {
  const refuse = (what: string): never => {
    throw new EspalierError(
      'ESP_GRADIENTS',
      `after gradients:ready ${what}; a listener may replace an entry of gradients with a tensor of the same shape, and nothing else. Plugins that listen: ${listeners().join(', ') || 'none'}`,
    );
  };
  for (const [name, { shape }] of parameters) {
    const gradient = gradients.get(name);
    if (gradient === undefined) return refuse(`there is no gradient of ${name}`);
    if (gradient.isDisposed) return refuse(`the gradient of ${name} is disposed`);
    if (gradient.shape.length !== shape.length || gradient.shape.some((length, axis) => length !== shape[axis])) {
      return refuse(`the gradient of ${name} is [${String(gradient.shape)}], and the weight [${String(shape)}]`);
    }
  }
  if (gradients.size === parameters.size) return;
  const extra = [...gradients.keys()].find((name) => !parameters.has(name));
  refuse(`there is a gradient of ${JSON.stringify(extra)}, which no weight that is trained is called`);
}

/** Of every id that is trained on: a plain loop takes about 2 ns for each. */
function firstOutside(ids: Int32Array, least: number, end: number): number {
  for (let at = 0; at < ids.length; at++) {
    const id = ids[at] ?? 0;
    if (id < least || id >= end) return at;
  }
  return -1;
}
