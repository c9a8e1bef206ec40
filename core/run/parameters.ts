import type { Variable } from '@tensorflow/tfjs-core';
import type { Model } from '../contracts/model.js';

/** The model's weights that are not frozen, by name. */
export function trainableParameters(model: Model): Map<string, Variable> {
  return new Map([...model.parameters()].filter(([, variable]) => variable.trainable));
}
