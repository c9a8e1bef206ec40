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
 * Makes the operations of this family, and the core's own kernels, work on a tfjs backend. Kernels that the engine registered
 * under the same names stay: it registers its faster ones first. Calling it again changes nothing.
 * @param adapt what the engine runs in a composite kernel's place, such as a compiled form of it
 */
export function registerOps(
  backendName: string,
  adapt: (kernel: CompositeKernel) => CompositeKernel = (kernel) => kernel,
): void {
  for (const gradient of glueGradients) registerGradient(gradient);
  // Not getKernel: it warns on the console about backends that have none.
  const registered = new Set(tf.getKernelsForBackend(backendName).map(({ kernelName }) => kernelName));
  for (const { kernels, gradients } of ops) {
    for (const gradient of gradients) registerGradient(gradient);
    for (const kernel of kernels) {
      if (!registered.has(kernel.name)) registerComposite(adapt(kernel), backendName);
    }
  }
}

function registerGradient(gradient: tf.GradConfig): void {
  // tfjs types it as always there.
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
