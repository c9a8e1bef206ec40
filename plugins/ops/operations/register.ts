import { tf } from '../../../core/index.js';
import { activationOp } from './activation.js';
import { activationLinearOp } from './activation-linear.js';
import { adamwStepOp } from './adamw-step.js';
import { causalAttentionOp } from './causal-attention.js';
import { einsumOp } from './einsum.js';
import { embeddingOp } from './embedding.js';
import { glueGradients } from '../gradients/glue-gradients.js';
import { gatedOp } from './gated.js';
import { layerNormOp } from './layer-norm.js';
import { linearOp } from './linear.js';
import { rmsNormOp } from './rms-norm.js';
import { nextAttentionOp } from './next-attention.js';
import { queryKeyNormOp } from './query-key-norm.js';
import { rotaryOp } from './rotary.js';
import { softmaxCrossEntropyOp } from './softmax-cross-entropy.js';
import { tokenCrossEntropyOp } from './token-cross-entropy.js';
import { Attributes, type CompositeKernel, KernelInputs, type Op } from './kernel.js';
import { dropoutOp } from './dropout.js';
import { accumulateOp, globalNormOp } from './loop-kernels.js';

const ops: readonly Op[] = [
  linearOp,
  layerNormOp,
  rmsNormOp,
  activationOp,
  activationLinearOp,
  gatedOp,
  causalAttentionOp,
  nextAttentionOp,
  queryKeyNormOp,
  rotaryOp,
  embeddingOp,
  softmaxCrossEntropyOp,
  tokenCrossEntropyOp,
  dropoutOp,
  accumulateOp,
  adamwStepOp,
  globalNormOp,
  einsumOp,
];

/**
 * Registers this family's operations and the core's kernels on a tfjs backend. Kernels that the engine has already
 * registered under the same names are kept, so an engine registers its faster ones first. Further calls change nothing.
 * @param adapt returns what the engine runs instead of a composite kernel, such as a compiled form
 */
export function registerOps(
  backendName: string,
  adapt: (kernel: CompositeKernel) => CompositeKernel = (kernel) => kernel,
): void {
  for (const gradient of glueGradients) registerGradient(gradient);
  // `getKernel` would print a warning for backends without kernels.
  const registered = new Set(tf.getKernelsForBackend(backendName).map(({ kernelName }) => kernelName));
  for (const { kernels, gradients } of ops) {
    for (const gradient of gradients) registerGradient(gradient);
    for (const kernel of kernels) {
      if (!registered.has(kernel.name)) registerComposite(adapt(kernel), backendName);
    }
  }
}

function registerGradient(gradient: tf.GradConfig): void {
  // tfjs declares it as always defined.
  const existing: unknown = tf.getGradient(gradient.kernelName);
  if (existing === undefined) tf.registerGradient(gradient);
}

function registerComposite({ name, compute }: CompositeKernel, backendName: string): void {
  tf.registerKernel({
    kernelName: name,
    backendName,
    kernelFunc: ({ inputs, attrs }) => tf.tidy(() => compute(new KernelInputs(inputs), new Attributes(attrs ?? {}))),
  });
}
