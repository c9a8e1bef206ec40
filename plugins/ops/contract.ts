/** `espalier/ops`: the operations of a GPT training step, each with a gradient, on every engine. */
export {
  activation,
  ACTIVATIONS,
  activationIn,
  gelu,
  geluTanh,
  reluSquared,
  silu,
  type Activation,
} from './operations/activation.js';
export { activationLinear, geluLinear } from './operations/activation-linear.js';
export { type AttentionOptions, causalAttention } from './operations/causal-attention.js';
export { dropout, dropoutFactors } from './operations/dropout.js';
export { embedding } from './operations/embedding.js';
export { gated, geglu, swiglu } from './operations/gated.js';
export { layerNorm } from './operations/layer-norm.js';
export { linear, type LinearOptions } from './operations/linear.js';
export { rmsNorm } from './operations/rms-norm.js';
export { keepPositions, type KeptPositions, nextAttention } from './operations/next-attention.js';
export { queryKeyNorm, type QueryKeyNormOptions } from './operations/query-key-norm.js';
export { rotary, rotaryAngles, type RotaryAngles, type RotaryOptions } from './operations/rotary.js';
export { rotaryFrequencies, type RotaryScaling } from './operations/rotary-frequencies.js';
export { type HeadOptions, headSizes, type HeadSizes } from './operations/heads.js';
export { softmaxCrossEntropy } from './operations/softmax-cross-entropy.js';
export { tokenCrossEntropy, tokenLosses, type TokenLosses } from './operations/token-cross-entropy.js';

/** One AdamW update of all weights together. */
export {
  adamwStep,
  type AdamWParameter,
  type AdamWSettings,
  type AdamWTensors,
  CLIP_EPSILON,
  type Clipping,
} from './operations/adamw-step.js';

/** For engines: registers each operation that the engine has no kernel for. */
export { registerOps } from './operations/register.js';
export { Attributes, KernelInputs, type CompositeKernel } from './operations/kernel.js';

/** Work whose tensor shapes change every time, such as generation: an engine compiles nothing for it, or pads its texts. */
export { paddedLength, padLengthsOn, shapesChange, withChangingShapes } from './operations/changing-shapes.js';

/** Marks work during which no weight changes, such as generation: an engine may keep weights in a faster form. */
export { constantWeights, constantWeightsScope, withConstantWeights } from './operations/constant-weights.js';
