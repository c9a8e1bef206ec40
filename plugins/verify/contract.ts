/** The first thing in which two runs differ: what `verify-resume` prints, and the checks of `espalier/testing` throw. */
export { comparable, differingLeaf, differingTensor, showValue, type Difference } from './resume/difference.js';
