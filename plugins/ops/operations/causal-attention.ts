import { type DropoutMask, tf } from '../../../core/index.js';
import { at, type Attributes, type CompositeKernel, firstOf, type Op, runKernel, runKernelForAll } from './kernel.js';
import { maskAttributes } from './dropout.js';
import { headAttributes, type HeadOptions, headSizes, type HeadSizes, splitQkv } from './heads.js';

export interface AttentionOptions extends HeadOptions {
  /** Dropout of the attention weights [batch, heads, time, time]. */
  mask?: DropoutMask | undefined;
  /**
   * [batch, time] int32: neighbouring equal numbers in a row are one document, and a position attends only to its own
   * document. Default: each row is one document.
   */
  documents?: tf.Tensor2D | undefined;
}

/**
 * Causal multi-head attention: each position attends to itself and to those before it. Query head i uses key and value
 * head floor(i / (heads / keyValueHeads)) (Ainslie et al., "GQA", 2023, section 2.2).
 * @param qkv [batch, time, (heads + 2 · keyValueHeads) · headDim]: queries, keys and values, each with its heads side
 * by side
 * @returns [batch, time, heads · headDim]
 * @throws Error if documents have another shape or type, or if the numbers of heads do not divide what they must
 */
export function causalAttention(qkv: tf.Tensor3D, heads: number, options: AttentionOptions = {}): tf.Tensor3D {
  const { mask, documents } = options;
  const [batch, time] = qkv.shape;
  const dropped = mask === undefined ? { rate: 0 } : maskAttributes(mask, heads * time * time);
  const attributes = { ...headAttributes(heads, options), ...dropped };
  const outputs =
    documents === undefined
      ? runKernelForAll('EspalierCausalAttention', { qkv }, attributes)
      : runKernelForAll('EspalierDocumentAttention', { qkv, documents: checked(documents, batch, time) }, attributes);
  return tf.reshape(at(outputs, 0), [batch, time, -1]);
}

function checked(documents: tf.Tensor2D, batch: number, time: number): tf.Tensor2D {
  tf.util.assertShapesMatch(documents.shape, [batch, time], 'documents of attention: ');
  if (documents.dtype !== 'int32') throw new Error(`documents of attention must be int32, not ${documents.dtype}`);
  return documents;
}

/** Computes both forms of attention; the one with documents is a separate kernel, since its gradient saves more. */
const attention: CompositeKernel['compute'] = (inputs, attributes) => {
  const qkv = inputs.get('qkv');
  const sizes = headSizes(qkv, attributes);
  const { q, k, v } = split(qkv, sizes);
  const scores = maskedScores(q, k, sizes, inputs.optional('documents'));
  const most = tf.max(scores, -1, true);
  const weights = tf.exp(tf.sub(scores, most));
  const sum = tf.sum(weights, -1, true);
  const factors = weightFactors(weights, attributes);
  const dropped = factors === undefined ? weights : tf.mul(weights, factors);
  // Dividing after the product divides fewer numbers.
  const y = tf.div(ofHeads(tf.matMul(inGroups(dropped, sizes), v), sizes), sum);
  return [joinHeads(y), tf.squeeze(tf.add(most, tf.log(sum)), [3])];
};

/**
 * The forward kernel also returns the log-sum-exp of each row, [batch, heads, time]: the backward kernel recomputes the
 * attention weights from it, so that no [time, time] tensor is kept.
 */
export const causalAttentionOp: Op = {
  kernels: [
    { name: 'EspalierCausalAttention', compute: attention },
    { name: 'EspalierDocumentAttention', compute: attention },
    {
      name: 'EspalierCausalAttentionGrad',
      compute: (inputs, attributes) => {
        const qkv = inputs.get('qkv');
        const sizes = headSizes(qkv, attributes);
        const { q, k, v } = split(qkv, sizes);
        const dy = inGroups(splitHeads(inputs.get('dy'), sizes.heads), sizes);
        const scores = maskedScores(q, k, sizes, inputs.optional('documents'));
        const weights = tf.exp(tf.sub(scores, tf.reshape(inputs.get('logSum'), [...scores.shape.slice(0, 3), 1])));
        const factors = weightFactors(weights, attributes);
        const dropped = factors === undefined ? weights : tf.mul(weights, factors);
        const dDropped = ofHeads(tf.matMul(dy, v, false, true), sizes);
        const dWeights = factors === undefined ? dDropped : tf.mul(dDropped, factors);
        // Divided by the weights' sum, which is 1 except for rounding, so that each row sums to zero and the bias of
        // the keys does not drift.
        const means = tf.div(tf.sum(tf.mul(dWeights, weights), -1, true), tf.sum(weights, -1, true));
        const dScores = inGroups(tf.mul(weights, tf.sub(dWeights, means)), sizes);
        const dq = ofHeads(tf.mul(tf.matMul(dScores, k), scaleOf(q)), sizes);
        // The product over a group's rows also sums over its heads.
        const dk = tf.mul(tf.matMul(dScores, q, true, false), scaleOf(q));
        const dv = tf.matMul(inGroups(dropped, sizes), dy, true, false);
        return tf.concat([joinHeads(dq), joinHeads(dk), joinHeads(dv)], -1);
      },
    },
  ],
  gradients: [
    {
      kernelName: 'EspalierCausalAttention',
      inputsToSave: ['qkv'],
      outputsToSave: [false, true],
      gradFunc: (dys, saved, attributes) => {
        const inputs = { dy: firstOf(dys), qkv: at(saved, 0), logSum: at(saved, 1) };
        return { qkv: () => runKernel('EspalierCausalAttentionGrad', inputs, attributes) };
      },
    },
    {
      kernelName: 'EspalierDocumentAttention',
      inputsToSave: ['qkv', 'documents'],
      outputsToSave: [false, true],
      gradFunc: (dys, saved, attributes) => {
        const [qkv, documents, logSum] = [at(saved, 0), at(saved, 1), at(saved, 2)];
        const inputs = { dy: firstOf(dys), qkv, documents, logSum };
        return { qkv: () => runKernel('EspalierCausalAttentionGrad', inputs, attributes) };
      },
    },
  ],
};

// Far below any score but finite: infinity minus infinity would give NaN on some backends.
const MASKED = -1e30;

/** Returns the scores with masked positions set to MASKED, [batch, heads, time, time]. */
function maskedScores(q: tf.Tensor, k: tf.Tensor, sizes: HeadSizes, documents: tf.Tensor | undefined): tf.Tensor {
  const time = at(k.shape, 2);
  const places = tf.range(0, time, 1, 'int32');
  const isLater = tf.greater(places, tf.reshape(places, [time, 1]));
  const products = ofHeads(tf.matMul(tf.mul(q, scaleOf(q)), k, false, true), sizes);
  const scores = tf.add(products, tf.mul(tf.cast(isLater, 'float32'), MASKED));
  return documents === undefined || time === 1 ? scores : tf.add(scores, otherDocuments(documents));
}

/** Returns MASKED where query and key are in different documents, else 0: [batch, 1, time, time]. */
function otherDocuments(documents: tf.Tensor): tf.Tensor {
  const [batch, time] = [at(documents.shape, 0), at(documents.shape, 1)];
  const [before, after] = [0, 1].map((first) => tf.slice(documents, [0, first], [batch, time - 1]));
  if (before === undefined || after === undefined) throw new Error('slices gave fewer than two parts');
  // Number the runs of equal values, since a value may occur again in a later run.
  const begins = tf.cast(tf.notEqual(before, after), 'int32');
  const runs = tf.concat([tf.zeros([batch, 1], 'int32'), tf.cumsum(begins, 1)], 1);
  const isOther = tf.notEqual(tf.reshape(runs, [batch, 1, time, 1]), tf.reshape(runs, [batch, 1, 1, time]));
  return tf.mul(tf.cast(isOther, 'float32'), MASKED);
}

function scaleOf(q: tf.Tensor): number {
  return 1 / Math.sqrt(at(q.shape, 3));
}

function weightFactors(weights: tf.Tensor, attributes: Attributes): tf.Tensor | undefined {
  if (attributes.number('rate') === 0) return undefined;
  const mask = ['rate', 'key0', 'key1', 'first'].map((name) => [name, attributes.number(name)] as const);
  return runKernel('EspalierDropout', { x: tf.onesLike(weights) }, Object.fromEntries(mask));
}

/**
 * Splits into queries [batch, keyValueHeads, group · time, headDim], with the heads of a group stacked, and keys and
 * values [batch, keyValueHeads, time, headDim].
 */
function split(qkv: tf.Tensor, sizes: HeadSizes): { q: tf.Tensor; k: tf.Tensor; v: tf.Tensor } {
  const { q, k, v } = splitQkv(qkv, sizes);
  const { heads, keyValueHeads } = sizes;
  return {
    q: inGroups(splitHeads(q, heads), sizes),
    k: splitHeads(k, keyValueHeads),
    v: splitHeads(v, keyValueHeads),
  };
}

/** Reshapes [batch, heads, time, columns] to [batch, keyValueHeads, group · time, columns]. */
function inGroups(x: tf.Tensor, { keyValueHeads }: HeadSizes): tf.Tensor {
  return tf.reshape(x, [at(x.shape, 0), keyValueHeads, -1, at(x.shape, 3)]);
}

/** Reshapes [batch, keyValueHeads, group · time, columns] to [batch, heads, time, columns]. */
function ofHeads(x: tf.Tensor, { heads }: HeadSizes): tf.Tensor {
  return tf.reshape(x, [at(x.shape, 0), heads, -1, at(x.shape, 3)]);
}

/** Converts [batch, time, width] to [batch, heads, time, width / heads]. */
function splitHeads(x: tf.Tensor, heads: number): tf.Tensor {
  const [batch, time, width] = [at(x.shape, 0), at(x.shape, 1), at(x.shape, 2)];
  return tf.transpose(tf.reshape(x, [batch, time, heads, width / heads]), [0, 2, 1, 3]);
}

/** Converts [batch, heads, time, headDim] to [batch, time, heads · headDim]. */
function joinHeads(x: tf.Tensor): tf.Tensor {
  const [batch, heads, time, headDim] = [at(x.shape, 0), at(x.shape, 1), at(x.shape, 2), at(x.shape, 3)];
  return tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [batch, time, heads * headDim]);
}
