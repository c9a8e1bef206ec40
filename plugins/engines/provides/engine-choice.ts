import type { EngineChoice } from '../../../core/runs.js';
import { chooseEngine } from '../choice/choice.js';

/** Probes the engines that come with the package. */
export const provided: EngineChoice = { choose: chooseEngine };
