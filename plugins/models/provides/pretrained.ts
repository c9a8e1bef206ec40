import type { PretrainedModels } from '../../../core/runs.js';
import { findPretrained } from '../weights/choose.js';

/** Pretrained weights in the formats that a config's plugins know. */
export const provided: PretrainedModels = { find: findPretrained };
