import type { Models } from '../../../core/runs.js';
import { checkMemory } from '../memory/memory.js';
import { LossWatch } from '../targets/ignored-targets.js';
import { matchOptimizer, matchWeights } from '../weights/match.js';

/** Whether a model fits into memory, whether its loss leaves ignored targets out, and how stored weights fit it. */
export const provided: Models = {
  checkMemory,
  ignoredTargets: (parts) => new LossWatch(parts),
  matchWeights,
  matchOptimizer,
};
