import type { Models } from '../../../core/runs.js';
import { checkMemory } from '../memory/memory.js';
import { TermedLoss } from '../targets/training-loss.js';
import { loadWeights, loadWithOptimizer } from '../weights/load.js';

/** Whether a model fits into memory, its loss where it is more than cross-entropy, whether that leaves ignored targets out, and how stored weights fit it. */
export const provided: Models = {
  checkMemory,
  trainingLoss: (of) => new TermedLoss(of),
  loadWeights,
  loadWithOptimizer,
};
