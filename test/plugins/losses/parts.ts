import { tf, type Model } from '../../../core/index.js';
import type { LossTerm } from '../../../plugins/losses/contract.js';
import { lossParts } from '../../../plugins/models/targets/loss-parts.js';
import { on } from '../ops/compare.js';

/** A batch of numbers in PyTorch's fixtures: logits [2, 5, 7], the others [2, 5]. */
interface Numbers {
  readonly logits: number[];
  readonly targets: number[];
  readonly weights?: number[] | undefined;
}

/** Returns the loss of a model with these logits, and its gradient with respect to them. */
export function lossInParts(
  engine: string,
  { logits, targets, weights }: Numbers,
  terms: readonly LossTerm[],
): { loss: number; gradient: Float32Array | undefined } {
  return on(engine, () => {
    const given = tf.variable(tf.tensor3d(logits, [2, 5, 7]));
    const ids = (): tf.Tensor2D => tf.tensor2d(targets, [2, 5], 'int32');
    const { value, grads } = tf.variableGrads(() => {
      const inputs = {
        ...{ ids: ids(), targets: ids(), tokens: undefined, fields: new Map<string, tf.Tensor2D>() },
        weights: weights === undefined ? undefined : tf.tensor2d(weights, [2, 5]),
        termWeights: terms.map(({ weight }) => tf.scalar(weight)),
      };
      return lossParts(modelOf(given), inputs, terms).total;
    }, [given]);
    const gradient = grads[given.name]?.dataSync<'float32'>().slice();
    given.dispose();
    return { loss: value.dataSync()[0] ?? NaN, gradient };
  });
}

function modelOf(logits: tf.Tensor3D): Model {
  const unused = (): never => {
    throw new Error('it is not called');
  };
  return {
    ...{ blockSize: 5, vocabSize: 7, description: {} },
    ...{ build: unused, parameters: unused, loss: unused, generate: unused },
    ...{ parameterCounts: unused, trainingFlopsPerToken: unused, activationBytes: unused },
    logits: () => logits,
  };
}
