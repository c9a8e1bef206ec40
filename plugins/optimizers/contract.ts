/**
 * `espalier/optimizers`. For authors of models: the roles of weights, so that optimizers can treat them accordingly.
 */
export { WeightRoles, weightRoles, type WeightRole } from './shared/roles.js';
/** For authors of optimizers: groups of weights, and per-weight state that is saved and restored and follows growth. */
export { groupOptions, type WeightGroup, type WeightSettings } from './shared/groups.js';
export {
  WeightOptimizer,
  WeightOptimizerParts,
  type KeptPowers,
  type Updated,
  type UpdateSettings,
  type WeightUpdate,
} from './shared/weight-optimizer.js';
