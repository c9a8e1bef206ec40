import { tf } from '../../../core/index.js';
import { asRows, at, firstOf, lastSize, type Op, runKernel, runKernelForAll } from './kernel.js';

/**
 * Returns the mean of -log softmax(logits)[target] in nats over the targets that are not -1 (0 if all are).
 * @param logits [..., classes]
 * @param targets [...] int32
 */
export function softmaxCrossEntropy(logits: tf.Tensor, targets: tf.Tensor): tf.Scalar {
  return tf.reshape(at(runKernelForAll('EspalierSoftmaxCrossEntropy', { logits, targets }), 0), []);
}

/** The forward kernel also returns each row's log-sum-exp, [rows], for the backward one. */
export const softmaxCrossEntropyOp: Op = {
  kernels: [
    {
      name: 'EspalierSoftmaxCrossEntropy',
      compute: (inputs) => {
        const logits = asRows(inputs.get('logits'));
        const { oneHot, counted } = targetsOf(inputs.get('targets'), lastSize(logits));
        const logSum = tf.logSumExp(logits, 1);
        const chosen = tf.sum(tf.mul(logits, oneHot), 1);
        const total = tf.sum(tf.mul(tf.sub(logSum, chosen), counted));
        return [tf.div(total, countOf(counted)), logSum];
      },
    },
    {
      name: 'EspalierSoftmaxCrossEntropyGrad',
      compute: (inputs) => {
        const logits = inputs.get('logits');
        const rows = asRows(logits);
        const { oneHot, counted } = targetsOf(inputs.get('targets'), lastSize(rows));
        const softmax = tf.exp(tf.sub(rows, tf.reshape(inputs.get('logSum'), [-1, 1])));
        const share = tf.mul(counted, tf.div(inputs.get('dy'), countOf(counted)));
        return tf.reshape(tf.mul(tf.sub(softmax, oneHot), tf.reshape(share, [-1, 1])), logits.shape);
      },
    },
  ],
  gradients: [
    {
      kernelName: 'EspalierSoftmaxCrossEntropy',
      inputsToSave: ['logits', 'targets'],
      outputsToSave: [false, true],
      gradFunc: (dys, saved) => {
        const inputs = { dy: firstOf(dys), logits: at(saved, 0), targets: at(saved, 1), logSum: at(saved, 2) };
        return { logits: () => runKernel('EspalierSoftmaxCrossEntropyGrad', inputs) };
      },
    },
  ],
};

/** Returns for each row its one-hot target, and whether it counts (1 or 0). */
export function targetsOf(targets: tf.Tensor, classes: number): { oneHot: tf.Tensor; counted: tf.Tensor1D } {
  const flat = tf.reshape(targets, [-1]);
  const counted = tf.cast(tf.greaterEqual(flat, tf.scalar(0, 'int32')), 'float32');
  // Ignored rows get class 0 and factor 0, because backends differ on classes out of range.
  const oneHot = tf.oneHot(tf.maximum(flat, tf.scalar(0, 'int32')), classes);
  return { oneHot: tf.cast(oneHot, 'float32'), counted: tf.reshape(counted, [-1]) };
}

function countOf(counted: tf.Tensor): tf.Tensor {
  return tf.maximum(tf.sum(counted), 1);
}
