/** `espalier/optimizers`. For authors of models: what each weight is, so that optimizers can treat it accordingly. */
export { WeightRoles, weightRoles, type WeightRole } from './shared/roles.js';
/** For authors of optimizers: groups of weights, and state by weight that resumes, grows and is stepped in parts. */
export { groupOptions, type WeightGroup, type WeightSettings } from './shared/groups.js';
export {
  WeightOptimizer,
  WeightOptimizerParts,
  type KeptPowers,
  type Updated,
  type UpdateSettings,
  type WeightUpdate,
} from './shared/weight-optimizer.js';
