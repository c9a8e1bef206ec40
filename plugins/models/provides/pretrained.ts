import type { PretrainedModels } from '../../../core/runs.js';
import { findPretrained } from '../weights/choose.js';

/** Weights in the formats that the plugins of a config know. */
export const provided: PretrainedModels = { find: findPretrained };
