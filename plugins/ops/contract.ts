/** `espalier/ops`: the operations of a GPT step, each with a gradient, on every engine. */
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

/** One update of AdamW, of every weight at a time. */
export { adamwStep, type AdamWParameter, type AdamWSettings, type AdamWTensors } from './operations/adamw-step.js';

/** For engines: registers each operation that the engine has no kernel of its own for. */
export { registerOps } from './operations/register.js';
export { Attributes, KernelInputs, type CompositeKernel } from './operations/kernel.js';

/** Work whose tensors have other shapes each time, as generation's: an engine compiles nothing for it. */
export { shapesChange, withChangingShapes } from './operations/changing-shapes.js';

/** Work during which no weight changes, as generation is: an engine may keep forms of weights that are faster to use. */
export { constantWeights, constantWeightsScope, withConstantWeights } from './operations/constant-weights.js';
