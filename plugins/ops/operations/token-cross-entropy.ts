import { tf } from '../../../core/index.js';
import { asRows, at, lastSize, type Op, runKernel } from './kernel.js';
import { targetsOf } from './softmax-cross-entropy.js';

/** Cross-entropy and log-sum-exp of each token, both of the targets' shape. */
export interface TokenLosses<T extends tf.Tensor = tf.Tensor> {
  /** -log softmax(logits)[target] in nats; 0 where the target is -1. */
  readonly losses: T;
  /** Log-sum-exp of the logits. */
  readonly logSumExp: T;
}

/**
 * Returns the cross-entropy of each token in nats, in the targets' shape; 0 where the target is -1.
 * @param logits [..., classes]
 * @param targets [...] int32
 */
export function tokenCrossEntropy<T extends tf.Tensor>(logits: tf.Tensor, targets: T): T {
  return tokenLosses(logits, targets).losses;
}

/** Like `tokenCrossEntropy`, with each position's log-sum-exp, which it computes anyway; both have gradients. */
export function tokenLosses<T extends tf.Tensor>(logits: tf.Tensor, targets: T): TokenLosses<T> {
  const outputs = tf.engine().runKernel<T[]>('EspalierTokenCrossEntropy', { logits, targets });
  return { losses: at(outputs, 0), logSumExp: at(outputs, 1) };
}

export const tokenCrossEntropyOp: Op = {
  kernels: [
    {
      name: 'EspalierTokenCrossEntropy',
      compute: (inputs) => {
        const [logits, targets] = [asRows(inputs.get('logits')), inputs.get('targets')];
        const { oneHot, counted } = targetsOf(targets, lastSize(logits));
        const logSum = tf.logSumExp(logits, 1);
        const losses = tf.mul(tf.sub(logSum, tf.sum(tf.mul(logits, oneHot), 1)), counted);
        return [tf.reshape(losses, targets.shape), tf.reshape(logSum, targets.shape)];
      },
    },
    {
      name: 'EspalierTokenCrossEntropyGrad',
      compute: (inputs) => {
        const logits = inputs.get('logits');
        const rows = asRows(logits);
        const { oneHot, counted } = targetsOf(inputs.get('targets'), lastSize(rows));
        const column = (name: string): tf.Tensor => tf.reshape(inputs.get(name), [-1, 1]);
        const softmax = tf.exp(tf.sub(rows, column('logSum')));
        const ofTarget = tf.mul(tf.reshape(counted, [-1, 1]), column('dLosses'));
        const share = tf.add(ofTarget, column('dLogSum'));
        return tf.reshape(tf.sub(tf.mul(softmax, share), tf.mul(oneHot, ofTarget)), logits.shape);
      },
    },
  ],
  gradients: [
    {
      kernelName: 'EspalierTokenCrossEntropy',
      inputsToSave: ['logits', 'targets'],
      outputsToSave: [false, true],
      gradFunc: (dys, saved) => {
        const [dLosses, dLogSum] = [at([dys].flat(), 0), at([dys].flat(), 1)];
        const inputs = { dLosses, dLogSum, logits: at(saved, 0), targets: at(saved, 1), logSum: at(saved, 2) };
        return { logits: () => runKernel('EspalierTokenCrossEntropyGrad', inputs) };
      },
    },
  ],
};
