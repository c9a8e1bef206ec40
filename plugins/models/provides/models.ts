import type { Models } from '../../../core/runs.js';
import { checkMemory } from '../memory/memory.js';
import { LossWatch } from '../targets/ignored-targets.js';
import { lossParts } from '../targets/loss-parts.js';
import { loadWeights, loadWithOptimizer } from '../weights/load.js';

/** Whether a model fits into memory, its loss where it is more than cross-entropy, whether that leaves ignored targets out, and how stored weights fit it. */
export const provided: Models = {
  checkMemory,
  ignoredTargets: (parts) => new LossWatch(parts),
  lossParts,
  loadWeights,
  loadWithOptimizer,
};
