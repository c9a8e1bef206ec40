import type { Models } from '../../../core/runs.js';
import { checkMemory } from '../memory/memory.js';
import { TermedLoss } from '../targets/training-loss.js';
import { loadWeights, loadWithOptimizer } from '../weights/load.js';

/** Checks of memory and batches, the training loss, and loading of stored weights, for any model. */
export const provided: Models = {
  checkMemory,
  trainingLoss: (of) => new TermedLoss(of),
  loadWeights,
  loadWithOptimizer,
};
