export {
  Attributes,
  at,
  firstOf,
  numbered,
  present,
  runKernelForAll,
  type Op,
  runKernel,
  asRows,
  lastSize,
  KernelInputs,
  type CompositeKernel,
} from './kernel.js';
export { dropoutFactors, maskAttributes, type DropoutMask, dropoutOp } from './dropout.js';
export { accumulateOp } from './accumulate.js';
export { globalNormOp } from './global-norm.js';
